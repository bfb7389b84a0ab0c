import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { parseCidr } from '../../../src/base/ipv4.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { FAILED } from '../../../src/proxy/l4/service-port.ts'
import { IP, listenerOf, POD, readAll, settled, startLab, stuckEndpoint, until } from './proxy-fixture.ts'

function echo(socket: Socket): void {
  socket.on('data', (chunk) => socket.write(chunk)).on('end', () => socket.end())
}

async function say(socket: Socket, text: string): Promise<string> {
  socket.write(text)
  return String((await once(socket, 'data'))[0])
}

test('connections take turns over the endpoints', async (t) => {
  const lab = await startLab(t)
  await lab.go([listenerOf(lab.port, await lab.named('a', 'b', 'c'))])
  const answers: string[] = []
  for (let i = 0; i < 9; i++) answers.push(await lab.ask())
  assert.deepEqual(answers.sort(), [...'aaabbbccc'])
})

test('each direction ends by itself', async (t) => {
  const lab = await startLab(t)
  const received: string[] = []
  const server = await lab.backend(async (socket) => {
    received.push(await readAll(socket))
    await turn()
    socket.end('answer after the question ended')
  })
  await lab.go([listenerOf(lab.port, [server.endpoint])])
  const client = await lab.dial()
  client.end('question')
  assert.equal(await readAll(client), 'answer after the question ended')
  assert.deepEqual(received, ['question'])
})

test('an endpoint that ends first still hears the rest of the client', async (t) => {
  const lab = await startLab(t)
  const heard = Promise.withResolvers<string>()
  const server = await lab.backend((socket) => {
    socket.end('early')
    readAll(socket).then(heard.resolve, heard.reject)
  })
  await lab.go([listenerOf(lab.port, [server.endpoint])])
  const client = await lab.dial()
  assert.equal(await readAll(client), 'early')
  client.end('late')
  assert.equal(await heard.promise, 'late')
})

test('a slow reader holds the sender back, all bytes arrive in order, and little is kept in between', async (t) => {
  const lab = await startLab(t)
  const total = 96 * 1024 * 1024
  const block = Buffer.alloc(1 << 20)
  for (let i = 0; i < block.length; i++) block[i] = (i * 7 + (i >> 8)) & 0xff
  let sent = 0
  const server = await lab.backend((socket) => {
    const send = (): void => {
      while (sent < total) {
        sent += block.length
        if (!socket.write(block)) return void socket.once('drain', send)
      }
      socket.end()
    }
    send()
  })
  await lab.go([listenerOf(lab.port, [server.endpoint])])
  const client = await lab.dial()
  client.pause()
  await until(() => sent > 0, 'the sender begins')
  const sentWhileStuck = await settled(() => sent)
  assert.ok(sentWhileStuck < total / 2, `only kernel buffers fill up, not ours: ${sentWhileStuck}`)
  const upstream = server.sockets[0]!
  assert.ok(upstream.writableLength > 0, 'the sender itself is held back')
  let offset = 0
  for await (const chunk of client as AsyncIterable<Buffer>) {
    for (const at of [0, chunk.length - 1]) assert.equal(chunk[at], block[(offset + at) % block.length])
    offset += chunk.length
  }
  assert.equal(offset, total)
})

test('bytes of many connections do not mix while some of them are slow', async (t) => {
  const lab = await startLab(t)
  const size = 3 * 1024 * 1024 + 17
  const server = await lab.backend(async (socket) => {
    const [first] = (await once(socket, 'data')) as [Buffer]
    socket.end(Buffer.alloc(size, first[0]))
  })
  await lab.go([listenerOf(lab.port, [server.endpoint])])
  const fast = Promise.withResolvers<void>()
  let fastLeft = 12
  await Promise.all(
    Array.from({ length: 24 }, async (_, i) => {
      const client = await lab.dial()
      client.write(Buffer.from([i + 1]))
      if (i % 2 === 0) {
        client.pause()
        await fast.promise
      }
      let received = 0
      for await (const chunk of client as AsyncIterable<Buffer>) {
        assert.ok(
          chunk.every((byte) => byte === i + 1),
          `connection ${i} got bytes of another`,
        )
        received += chunk.length
      }
      assert.equal(received, size)
      client.end()
      if (i % 2 === 1 && --fastLeft === 0) fast.resolve()
    }),
  )
})

test('an endpoint that refuses is passed over without the client noticing', async (t) => {
  const lab = await startLab(t)
  await lab.go([listenerOf(lab.port, [...(await lab.named('alive')), await lab.nobody(POD(2))])])
  for (let i = 0; i < 10; i++) assert.equal(await lab.ask(), 'alive')
  assert.ok(lab.counts()[FAILED]! > 0)
})

test('an endpoint that resets what it accepts is passed over, too', async (t) => {
  const lab = await startLab(t)
  const [alive] = await lab.named('alive')
  const bad = await lab.backend((socket) => void socket.resetAndDestroy(), POD(2))
  await lab.go([listenerOf(lab.port, [alive!, bad.endpoint])])
  for (let i = 0; i < 10; i++) assert.equal(await lab.ask(), 'alive')
})

test('when no endpoint accepts, the client is reset', async (t) => {
  const lab = await startLab(t)
  await lab.go([listenerOf(lab.port, [await lab.nobody(POD(2)), await lab.nobody(POD(3))])])
  await assert.rejects(lab.ask(), { code: 'ECONNRESET' })
  await until(() => lab.dataplane.connections.count === 0, 'nothing is left')
})

test('an endpoint that does not answer is given up after two seconds, for one the table names by then', async (t) => {
  const clock = new VirtualClock()
  const lab = await startLab(t, { clock })
  const stuck = await stuckEndpoint(t, POD(3))
  await lab.go([listenerOf(lab.port, [stuck])])
  const client = connect({ host: IP, port: lab.port, allowHalfOpen: true })
  t.after(() => client.destroy())
  const answer = readAll(client)
  await until(() => lab.dataplane.connections.active(POD(3)) === 1, 'it is tried')
  await lab.go([listenerOf(lab.port, [stuck, ...(await lab.named('new'))])])
  await clock.advance(2_500)
  assert.equal(await answer, 'new')
})

test('a Service without endpoints refuses connections, and serves again when they come back', async (t) => {
  const lab = await startLab(t)
  const endpoints = await lab.named('back')
  await lab.go([listenerOf(lab.port, [])])
  await assert.rejects(lab.ask(), { code: 'ECONNREFUSED' })
  await lab.go([listenerOf(lab.port, endpoints)])
  assert.equal(await lab.ask(), 'back')
  await lab.go([listenerOf(lab.port, [])])
  await assert.rejects(lab.ask(), { code: 'ECONNREFUSED' })
  assert.deepEqual(
    lab.bindings.map(({ binding }) => binding.state),
    ['bound', 'waiting'],
  )
})

for (const [name, fromClient] of [
  ['a reset by the client reaches the endpoint', true],
  ['a reset by the endpoint reaches the client', false],
] as const)
  test(name, async (t) => {
    const lab = await startLab(t)
    const server = await lab.backend((socket) => void socket.write('hello'))
    await lab.go([listenerOf(lab.port, [server.endpoint])])
    const client = await lab.dial()
    await once(client, 'data')
    const [resetting, other] = fromClient ? [client, server.sockets[0]!] : [server.sockets[0]!, client]
    other.resume()
    const failed = new Promise<NodeJS.ErrnoException>((resolve) => other.on('error', resolve))
    resetting.resetAndDestroy()
    assert.equal((await failed).code, 'ECONNRESET')
  })

test('endpoints are swapped under load and no connection fails', async (t) => {
  const lab = await startLab(t)
  const endpoints = await lab.named('a', 'b', 'c', 'd')
  await lab.go([listenerOf(lab.port, endpoints.slice(0, 2))])
  const seen = new Set<string>()
  for (let i = 0; i < 60; i++) {
    const asked = Promise.all(Array.from({ length: 8 }, () => lab.ask()))
    await lab.go([listenerOf(lab.port, [endpoints[i % 4]!, endpoints[(i + 1) % 4]!])])
    for (const answer of await asked) seen.add(answer)
  }
  assert.deepEqual([...seen].sort(), ['a', 'b', 'c', 'd'])
})

test('a client stays with its endpoint for as long as it is there and the time has not run out', async (t) => {
  const clock = new VirtualClock()
  const lab = await startLab(t, { clock })
  const affinityMs = 60_000
  const endpoints = await lab.named('a', 'b', 'c')
  await lab.go([listenerOf(lab.port, endpoints, { affinityMs })])
  const first = await lab.ask()
  for (let i = 0; i < 5; i++) {
    await clock.advance(affinityMs - 1)
    assert.equal(await lab.ask(), first)
  }
  const others = endpoints.filter((_, i) => ['a', 'b', 'c'][i] !== first)
  await lab.go([listenerOf(lab.port, others, { affinityMs })])
  const second = await lab.ask()
  assert.notEqual(second, first)
  for (let i = 0; i < 5; i++) assert.equal(await lab.ask(), second)
  await clock.advance(affinityMs + 1)
  assert.notEqual(await lab.ask(), second, 'whose turn it is counts again')
})

test('clients from outside the source ranges get nothing', async (t) => {
  const lab = await startLab(t)
  const endpoints = await lab.named('inside')
  const sourceRanges = [parseCidr('10.0.0.0/8')]
  await lab.go([listenerOf(lab.port, endpoints, { sourceRanges })])
  await assert.rejects(lab.ask(), { code: 'ECONNRESET' })
  await lab.go([listenerOf(lab.port, endpoints, { sourceRanges: [...sourceRanges, parseCidr('127.0.0.0/8')] })])
  assert.equal(await lab.ask(), 'inside')
})

test('clients on a node whose traffic stays local reach its endpoints, others all', async (t) => {
  const lab = await startLab(t)
  const [a, b] = await lab.named('a', 'b')
  const endpointsByNode = new Map([
    ['test-1', [a!]],
    ['test-2', []],
  ])
  await lab.go([listenerOf(lab.port, [a!, b!], { endpointsByNode })])
  const from = async (localAddress: string): Promise<string> => readAll(await lab.dial({ localAddress }))
  assert.deepEqual([await from(POD(9, 1)), await from(POD(9, 1))], ['a', 'a'])
  await assert.rejects(from(POD(9, 2)), { code: 'ECONNRESET' })
  assert.deepEqual([await lab.ask(), await lab.ask()].sort(), ['a', 'b'])
})

test('endpoints see the client itself where its address is to be kept, also their own', async (t) => {
  const lab = await startLab(t)
  const server = await lab.backend((socket) => void socket.end(socket.remoteAddress ?? ''))
  await lab.go([listenerOf(lab.port, [server.endpoint], { keepSource: true })])
  for (const localAddress of ['127.127.130.9', server.endpoint.address])
    assert.equal(await readAll(await lab.dial({ localAddress })), localAddress)
})

test('a connection that would come back here is not made', async (t) => {
  const lab = await startLab(t)
  const [alive] = await lab.named('alive')
  const itself = { address: IP, port: lab.port, nodeName: undefined }
  await lab.go([listenerOf(lab.port, [itself])])
  await assert.rejects(lab.ask(), { code: 'ECONNRESET' })
  await lab.go([listenerOf(lab.port, [itself, alive!])])
  for (let i = 0; i < 4; i++) assert.equal(await lab.ask(), 'alive')
})

test('a port that is taken is tried again until it is free', async (t) => {
  const clock = new VirtualClock()
  const lab = await startLab(t, { clock })
  const endpoints = await lab.named('mine')
  const other = await lab.backend((socket) => void socket.end('not mine'), IP)
  const { port } = other.endpoint
  await lab.go([listenerOf(port, endpoints)])
  assert.equal(lab.bindings.length, 1)
  const { binding } = lab.bindings[0]!
  assert.ok(binding.state === 'failed' && binding.code === 'EADDRINUSE')
  assert.match(binding.message, /another program listens there/)
  for (let i = 0; i < 5; i++) {
    await clock.advance(60_000)
  }
  assert.equal(lab.bindings.length, 1, 'what has been said is not said again')
  other.close()
  await once(other.server, 'close')
  await clock.advance(60_000)
  await until(() => lab.bindings.length === 2, 'it is bound')
  assert.equal(lab.bindings[1]!.binding.state, 'bound')
  assert.equal(await lab.ask(port), 'mine')
})

test('connections are counted as active while bytes move or an answer is due, and no longer', async (t) => {
  const clock = new VirtualClock()
  const lab = await startLab(t, { clock })
  const server = await lab.backend(echo)
  await lab.go([listenerOf(lab.port, [server.endpoint])])
  const active = (): number => lab.dataplane.connections.active(server.endpoint.address)
  const client = await lab.dial()
  await say(client, 'ping')
  assert.equal(active(), 1)
  await clock.advance(301)
  assert.equal(active(), 0)
  assert.equal(lab.dataplane.connections.count, 1)
  server.sockets[0]!.pause()
  client.write('ping')
  await until(() => active() === 1, 'the question is on its way')
  await clock.advance(10_000)
  assert.equal(active(), 1)
  const answered = once(client, 'data')
  server.sockets[0]!.resume()
  await answered
  await clock.advance(301)
  assert.equal(active(), 0)
})

test('beyond the limit new connections are reset and counted, old ones go on, and room is given again', async (t) => {
  const lab = await startLab(t, { connectionsMax: 2 })
  const server = await lab.backend(echo)
  await lab.go([listenerOf(lab.port, [server.endpoint])])
  const kept = [await lab.dial(), await lab.dial()]
  for (const client of kept) await say(client, 'x')
  await assert.rejects(lab.ask(), { code: 'ECONNRESET' })
  assert.equal(lab.dataplane.connections.shed, 1)
  assert.equal(await say(kept[0]!, 'y'), 'y')
  kept[1]!.destroy()
  await until(() => lab.dataplane.connections.count === 1, 'one has gone')
  assert.equal(await say(await lab.dial(), 'z'), 'z')
})

test('connections whose endpoint no Service holds any more are reset once they have been silent for a minute', async (t) => {
  const clock = new VirtualClock()
  const lab = await startLab(t, { clock })
  const server = await lab.backend(echo)
  await lab.go([listenerOf(lab.port, [server.endpoint])])
  const client = await lab.dial()
  await say(client, 'x')
  await lab.go([])
  await clock.advance(50_000)
  assert.equal(await say(client, 'y'), 'y')
  const reset = new Promise<NodeJS.ErrnoException>((resolve) => client.on('error', resolve))
  for (let i = 0; i < 240 && lab.dataplane.connections.count > 0; i++) {
    await clock.advance(500)
  }
  assert.equal((await reset).code, 'ECONNRESET')
})
