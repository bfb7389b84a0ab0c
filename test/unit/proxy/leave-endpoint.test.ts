import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, createServer, get, type RequestListener, request, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { MOVED, REPEATED } from '../../../src/proxy/l4/service-port.ts'
import type { Endpoint } from '../../../src/proxy/table/routing-table.ts'
import { IP, type Lab, listenerOf, POD, readAll, startLab, until } from './proxy-fixture.ts'

interface HttpBackend {
  readonly endpoint: Endpoint
  readonly server: Server
  /** Connections that were opened to it so far, and those that are open now. */
  opened(): number
  open(): number
}

async function httpBackend(t: TestContext, address: string, listener: RequestListener): Promise<HttpBackend> {
  const server = createServer({ keepAliveTimeout: 0 }, listener)
  const sockets = new Set<Socket>()
  let opened = 0
  server.on('connection', (socket) => {
    opened += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, address)
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return {
    endpoint: { address, port, nodeName: undefined },
    server,
    opened: () => opened,
    open: () => sockets.size,
  }
}

function naming(t: TestContext, i: number, name: string): Promise<HttpBackend> {
  return httpBackend(t, POD(i), (_, response) => void response.end(name))
}

/** Answers `/BYTE/COUNT` with so many of that byte: in one piece with a length, or, if the byte is odd, in chunks. */
function filling(t: TestContext, i: number): Promise<HttpBackend> {
  return httpBackend(t, POD(i), ({ url }, response) => {
    const [byte, count] = url!.split('/').slice(1).map(Number)
    const body = Buffer.alloc(count!, byte)
    if (byte! % 2 === 1) response.write(body.subarray(0, count! >> 1))
    response.end(byte! % 2 === 1 ? body.subarray(count! >> 1) : body)
  })
}

/** One connection that is kept. */
function keptConnection(t: TestContext): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  return agent
}

interface Answer {
  readonly body: string
  readonly isReused: boolean
}

function ask(lab: Lab, agent: Agent, method = 'GET', body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: IP, port: lab.port, agent, method }, (response) => {
      readAll(response as unknown as Socket).then(
        (text) => resolve({ body: text, isReused: asked.reusedSocket }),
        reject,
      )
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

test('an idle connection leaves an endpoint that is let go of, and the client does not notice', async (t) => {
  const lab = await startLab(t)
  const [a, b] = [await naming(t, 1, 'a'), await naming(t, 2, 'b')]
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const agent = keptConnection(t)
  assert.deepEqual(await ask(lab, agent), { body: 'a', isReused: false })
  await lab.go([listenerOf(lab.port, [b.endpoint])], [a.endpoint.address])
  assert.equal(lab.dataplane.connections.active(a.endpoint.address), 0, 'at once, whatever moved a moment ago')
  await until(() => a.open() === 0, 'the endpoint sees its connection end')
  a.server.close()
  assert.deepEqual(await ask(lab, agent), { body: 'b', isReused: true })
  assert.deepEqual(await ask(lab, agent, 'POST', 'x'), { body: 'b', isReused: true })
  assert.equal(lab.counts()[MOVED], 1)
  assert.equal(lab.dataplane.connections.count, 1)
})

test('a request under way is answered by its endpoint, and the next by another', async (t) => {
  const lab = await startLab(t)
  const held = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const a = await httpBackend(t, POD(1), async (_, response) => {
    response.write('begun ')
    asked.resolve()
    await held.promise
    response.end('and ended')
  })
  const b = await naming(t, 2, 'b')
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const agent = keptConnection(t)
  const first = ask(lab, agent)
  await asked.promise
  await lab.go([listenerOf(lab.port, [b.endpoint])], [a.endpoint.address])
  assert.equal(a.open(), 1)
  held.resolve()
  assert.equal((await first).body, 'begun and ended')
  assert.deepEqual(await ask(lab, agent), { body: 'b', isReused: true })
  await until(() => a.open() === 0, 'the endpoint sees its connection end')
})

test('a slow answer counts as active for as long as it takes', async (t) => {
  const clock = new VirtualClock()
  const lab = await startLab(t, { clock })
  const held = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const a = await httpBackend(t, POD(1), async (_, response) => {
    asked.resolve()
    await held.promise
    response.end('a')
  })
  const b = await naming(t, 2, 'b')
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const first = ask(lab, keptConnection(t))
  await asked.promise
  await lab.go([listenerOf(lab.port, [b.endpoint])], [a.endpoint.address])
  await clock.advance(60_000)
  assert.equal(lab.dataplane.connections.active(a.endpoint.address), 1)
  held.resolve()
  assert.equal((await first).body, 'a')
  assert.equal(lab.dataplane.connections.active(a.endpoint.address), 0)
})

test('an answer too large to be seen in one piece is followed, and the connection leaves after the next one', async (t) => {
  const lab = await startLab(t)
  const size = 3 << 20
  const a = await httpBackend(t, POD(1), (_, response) => void response.end(Buffer.alloc(size, 'a')))
  const b = await naming(t, 2, 'b')
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const agent = keptConnection(t)
  assert.equal((await ask(lab, agent)).body.length, size)
  await lab.go([listenerOf(lab.port, [b.endpoint])], [a.endpoint.address])
  assert.equal((await ask(lab, agent)).body.length, size)
  assert.deepEqual(await ask(lab, agent), { body: 'b', isReused: true })
})

test('a connection on which nothing was said yet goes to another endpoint at once', async (t) => {
  const lab = await startLab(t)
  const a = await lab.backend(() => {}, POD(1))
  const b = await lab.backend((socket) => void socket.write('greeting of b'), POD(2))
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const client = await lab.dial()
  await until(() => a.sockets.length === 1, 'it is connected')
  await lab.go([listenerOf(lab.port, [b.endpoint])], [a.endpoint.address])
  assert.equal(String((await once(client, 'data'))[0]), 'greeting of b')
})

test('connections that say something else than HTTP stay to their end', async (t) => {
  const lab = await startLab(t)
  const a = await lab.backend((socket) => void socket.on('data', (chunk) => socket.write(chunk)), POD(1))
  const b = await naming(t, 2, 'b')
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const client = await lab.dial()
  client.write('ping')
  await once(client, 'data')
  await lab.go([listenerOf(lab.port, [b.endpoint])], [a.endpoint.address])
  client.write('pong')
  assert.equal(String((await once(client, 'data'))[0]), 'pong')
  a.sockets[0]!.end('bye')
  assert.equal(await readAll(client), 'bye')
})

test('a stream of events stays to its end', async (t) => {
  const lab = await startLab(t)
  const events = Promise.withResolvers<{ write(text: string): void; end(): void }>()
  const a = await httpBackend(t, POD(1), (_, response) => {
    response.write('first ')
    events.resolve(response)
  })
  const b = await naming(t, 2, 'b')
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const answer = ask(lab, keptConnection(t))
  const stream = await events.promise
  await lab.go([listenerOf(lab.port, [b.endpoint])], [a.endpoint.address])
  stream.write('second ')
  stream.end()
  assert.equal((await answer).body, 'first second ')
})

test('without another endpoint a connection stays where it is', async (t) => {
  const lab = await startLab(t)
  const a = await naming(t, 1, 'a')
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const agent = keptConnection(t)
  await ask(lab, agent)
  await lab.go([listenerOf(lab.port, [])], [a.endpoint.address])
  assert.deepEqual(await ask(lab, agent), { body: 'a', isReused: true })
})

test('an endpoint that is chosen again keeps its connections', async (t) => {
  const lab = await startLab(t)
  const [a, b] = [await naming(t, 1, 'a'), await naming(t, 2, 'b')]
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const agent = keptConnection(t)
  await ask(lab, agent)
  await lab.go([listenerOf(lab.port, [])], [a.endpoint.address])
  await lab.go([listenerOf(lab.port, [a.endpoint, b.endpoint])])
  for (let i = 0; i < 3; i++) assert.deepEqual(await ask(lab, agent), { body: 'a', isReused: true })
  assert.equal(a.opened(), 1)
})

test('a client hears of the end of a connection that waits for its next request in vain', async (t) => {
  const clock = new VirtualClock()
  const lab = await startLab(t, { clock })
  const [a, b] = [await naming(t, 1, 'a'), await naming(t, 2, 'b')]
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const client = await lab.dial()
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(client, 'data')
  await lab.go([listenerOf(lab.port, [b.endpoint])], [a.endpoint.address])
  const ended = readAll(client)
  await clock.advance(61_000)
  assert.equal(await ended, '')
  client.end()
  await until(() => lab.dataplane.connections.count === 0, 'nothing is left')
})

test('a client that closes a connection without an endpoint leaves nothing behind', async (t) => {
  const lab = await startLab(t)
  const [a, b] = [await naming(t, 1, 'a'), await naming(t, 2, 'b')]
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const agent = keptConnection(t)
  await ask(lab, agent)
  await lab.go([listenerOf(lab.port, [b.endpoint])], [a.endpoint.address])
  agent.destroy()
  await until(() => lab.dataplane.connections.count === 0, 'nothing is left')
})

for (const [how, lose] of [
  ['ends the connection', (socket: Socket) => socket.end()],
  ['resets it', (socket: Socket) => socket.resetAndDestroy()],
] as const) {
  test(`a request that its endpoint loses is sent to another one when the endpoint ${how}`, async (t) => {
    const lab = await startLab(t)
    const bad = await lab.backend((socket) => void socket.once('data', () => lose(socket)), POD(1))
    const b = await naming(t, 2, 'b')
    await lab.go([listenerOf(lab.port, [bad.endpoint, b.endpoint])])
    for (let i = 0; i < 6; i++) assert.equal((await ask(lab, keptConnection(t))).body, 'b')
    assert.equal(lab.counts()[REPEATED], 3)
  })

  test(`one that changes something is not when the endpoint ${how}`, async (t) => {
    const lab = await startLab(t)
    const bad = await lab.backend((socket) => void socket.once('data', () => lose(socket)), POD(1))
    const b = await naming(t, 2, 'b')
    await lab.go([listenerOf(lab.port, [bad.endpoint])])
    const agent = keptConnection(t)
    const asked = assert.rejects(ask(lab, agent, 'POST', 'x'))
    await until(() => bad.sockets.length === 1, 'it is connected')
    await lab.go([listenerOf(lab.port, [b.endpoint])])
    await asked
    assert.equal(b.opened(), 0)
  })
}

test('a request that every endpoint loses is given up', async (t) => {
  const lab = await startLab(t)
  let asked = 0
  const lose = (socket: Socket): void => {
    socket.once('data', () => {
      asked += 1
      socket.resetAndDestroy()
    })
  }
  const backends = await Promise.all([1, 2, 3, 4, 5].map((i) => lab.backend(lose, POD(i))))
  const endpoints = backends.map(({ endpoint }) => endpoint)
  await lab.go([listenerOf(lab.port, endpoints)])
  await assert.rejects(ask(lab, keptConnection(t)), { code: 'ECONNRESET' })
  assert.equal(asked, 3)
})

test('a kept connection whose endpoint dies between two requests goes on with another', async (t) => {
  const lab = await startLab(t)
  const [a, b] = [await naming(t, 1, 'a'), await naming(t, 2, 'b')]
  await lab.go([listenerOf(lab.port, [a.endpoint])])
  const agent = keptConnection(t)
  await ask(lab, agent)
  await lab.go([listenerOf(lab.port, [a.endpoint, b.endpoint])])
  a.server.close()
  a.server.closeAllConnections()
  await until(() => lab.counts()[MOVED] === 1, 'the connection is without an endpoint')
  assert.deepEqual(await ask(lab, agent, 'POST', 'x'), { body: 'b', isReused: true })
})

test('an endpoint that closes an idle connection after a while closes it for the client, too', async (t) => {
  const clock = new VirtualClock()
  const lab = await startLab(t, { clock })
  const [a, b] = [await naming(t, 1, 'a'), await naming(t, 2, 'b')]
  await lab.go([listenerOf(lab.port, [a.endpoint, b.endpoint])])
  const client = await lab.dial()
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(client, 'data')
  await clock.advance(1_001)
  const ended = readAll(client)
  for (const { server } of [a, b]) server.closeAllConnections()
  assert.equal(await ended, '')
})

interface Load {
  readonly failures: readonly string[]
  /** Resolves once so many more requests were answered. */
  more(count: number): Promise<void>
  stop(): Promise<void>
}

/** Requests to `filling` backends over kept connections, some of which are given up now and then, until stopped. */
function hammer(t: TestContext, lab: Lab, clients: number, sizes: readonly number[]): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const failures: string[] = []
  let answered = 0
  let isStopped = false
  const loop = async (client: number): Promise<void> => {
    for (let i = client; !isStopped; i++) {
      await new Promise<void>((resolve) => {
        const headers = i % 50 === 0 ? { connection: 'close' } : {}
        const [byte, size] = [i % 256, sizes[i % sizes.length]!]
        get({ host: IP, port: lab.port, agent, headers, path: `/${byte}/${size}` }, (response) => {
          let received = 0
          let isMixed = false
          response.on('data', (chunk: Buffer) => {
            received += chunk.length
            isMixed ||= chunk.some((one) => one !== byte)
          })
          response.on('end', () => {
            answered += 1
            if (isMixed || received !== size) failures.push(`a wrong answer to /${byte}/${size}: ${received} bytes`)
            resolve()
          })
        }).on('error', (error) => {
          failures.push(error.message)
          resolve()
        })
      })
    }
  }
  const loops = Array.from({ length: clients }, (_, i) => loop(i))
  const stop = async (): Promise<void> => {
    isStopped = true
    await Promise.all(loops)
    agent.destroy()
  }
  t.after(stop)
  return {
    failures,
    async more(count) {
      const enough = answered + count
      await until(() => answered >= enough, 'requests are answered')
    },
    stop,
  }
}

test('under load endpoints come and go, close everything once nothing is active, and no request fails', async (t) => {
  const lab = await startLab(t)
  let current = [await filling(t, 1), await filling(t, 2)]
  const endpoints = (): readonly Endpoint[] => current.map(({ endpoint }) => endpoint)
  await lab.go([listenerOf(lab.port, endpoints())])
  const load = hammer(t, lab, 16, [3, 700, 9_000, 300_000])
  for (let i = 3; i < 33; i++) {
    await load.more(50)
    const [old, ...rest] = current
    current = [...rest, await filling(t, i)]
    const { address } = old!.endpoint
    await lab.go([listenerOf(lab.port, endpoints())], [address])
    await until(() => lab.dataplane.connections.active(address) === 0, 'it is drained')
    // Less friendly than any server is.
    old!.server.close()
    old!.server.closeAllConnections()
  }
  await load.stop()
  assert.deepEqual(load.failures, [])
  assert.ok(lab.counts()[MOVED]! > 0)
})

// Whose answers are small enough to be seen in one piece: what was half answered cannot be saved.
test('under load endpoints die without a warning, and no request fails that changes nothing', async (t) => {
  const lab = await startLab(t)
  let current = [await filling(t, 1), await filling(t, 2)]
  await lab.go([
    listenerOf(
      lab.port,
      current.map(({ endpoint }) => endpoint),
    ),
  ])
  const load = hammer(t, lab, 16, [3, 700])
  for (let i = 3; i < 33; i++) {
    await load.more(50)
    const [old, ...rest] = current
    current = [...rest, await filling(t, i)]
    old!.server.close()
    old!.server.closeAllConnections()
    await load.more(50)
    await lab.go([
      listenerOf(
        lab.port,
        current.map(({ endpoint }) => endpoint),
      ),
    ])
  }
  await load.stop()
  assert.deepEqual(load.failures, [])
  assert.ok(lab.counts()[REPEATED]! + lab.counts()[MOVED]! > 0)
})
