import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ask, backend, dial, freePort, listenerOf, naming, POD, readAll, startDataplane } from './proxy-fixture.ts'

const IP = '127.127.16.5'

test('connections take turns over the endpoints', async (t) => {
  const names = ['a', 'b', 'c']
  const backends = await Promise.all(names.map((name, i) => backend(naming(name), POD(i + 1))))
  const { dataplane, go } = startDataplane()
  t.after(() => (backends.forEach((b) => b.close()), dataplane.close()))
  const port = await freePort(IP)
  await go(
    listenerOf(
      port,
      backends.map((b) => b.endpoint),
    ),
  )
  const answers: string[] = []
  for (let i = 0; i < 9; i++) answers.push(await ask(port))
  for (const name of names) assert.equal(answers.filter((answer) => answer === name).length, 3)
})

test('each direction ends by itself', async (t) => {
  const received: string[] = []
  const server = await backend(async (socket) => {
    received.push(await readAll(socket))
    await pause(20)
    socket.end('answer after the question ended')
  })
  const { dataplane, go } = startDataplane()
  t.after(() => (server.close(), dataplane.close()))
  const port = await freePort(IP)
  await go(listenerOf(port, [server.endpoint]))
  const client = await dial(port)
  client.end('question')
  assert.equal(await readAll(client), 'answer after the question ended')
  assert.deepEqual(received, ['question'])
})

test('an endpoint that ends first still hears the rest of the client', async (t) => {
  const heard = Promise.withResolvers<string>()
  const server = await backend((socket) => {
    socket.end('early')
    readAll(socket).then(heard.resolve, heard.reject)
  })
  const { dataplane, go } = startDataplane()
  t.after(() => (server.close(), dataplane.close()))
  const port = await freePort(IP)
  await go(listenerOf(port, [server.endpoint]))
  const client = await dial(port)
  assert.equal(await readAll(client), 'early')
  client.end('late')
  assert.equal(await heard.promise, 'late')
})

test('a slow reader holds the sender back, all bytes arrive in order, and little is kept in between', async (t) => {
  const total = 96 * 1024 * 1024
  const block = Buffer.alloc(1 << 20)
  for (let i = 0; i < block.length; i++) block[i] = (i * 7 + (i >> 8)) & 0xff
  let sent = 0
  const server = await backend((socket) => {
    const send = (): void => {
      while (sent < total) {
        sent += block.length
        if (!socket.write(block)) return void socket.once('drain', send)
      }
      socket.end()
    }
    send()
  })
  const { dataplane, go } = startDataplane()
  t.after(() => (server.close(), dataplane.close()))
  const port = await freePort(IP)
  await go(listenerOf(port, [server.endpoint]))
  const client = await dial(port)
  client.pause()
  await pause(300)
  const sentWhileStuck = sent
  const rssStuck = process.memoryUsage.rss()
  await pause(300)
  assert.equal(sent, sentWhileStuck, 'the sender stands still while nobody reads')
  assert.ok(sent < total / 2, `only kernel buffers fill up, not ours: ${sent}`)
  assert.ok(process.memoryUsage.rss() - rssStuck < 8 << 20)
  let offset = 0
  for await (const chunk of client as AsyncIterable<Buffer>) {
    for (const at of [0, chunk.length - 1]) assert.equal(chunk[at], block[(offset + at) % block.length])
    offset += chunk.length
  }
  assert.equal(offset, total)
})

test('bytes of many connections do not mix while some of them are slow', async (t) => {
  const size = 3 * 1024 * 1024 + 17
  const server = await backend(async (socket) => {
    const [first] = (await once(socket, 'data')) as [Buffer]
    socket.end(Buffer.alloc(size, first[0]))
  })
  const { dataplane, go } = startDataplane()
  t.after(() => (server.close(), dataplane.close()))
  const port = await freePort(IP)
  await go(listenerOf(port, [server.endpoint]))
  await Promise.all(
    Array.from({ length: 24 }, async (_, i) => {
      const client = await dial(port)
      client.write(Buffer.from([i + 1]))
      if (i % 2 === 0) {
        client.pause()
        await pause(100)
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
    }),
  )
})

test('an endpoint that refuses is passed over without the client noticing', async (t) => {
  const server = await backend(naming('alive'))
  const dead = { address: POD(2), port: await freePort(POD(2)), nodeName: undefined }
  const { dataplane, go } = startDataplane()
  t.after(() => (server.close(), dataplane.close()))
  const port = await freePort(IP)
  await go(listenerOf(port, [server.endpoint, dead]))
  for (let i = 0; i < 10; i++) assert.equal(await ask(port), 'alive')
})

test('when no endpoint accepts, the client is reset', async (t) => {
  const dead = { address: POD(2), port: await freePort(POD(2)), nodeName: undefined }
  const { dataplane, go } = startDataplane()
  t.after(() => dataplane.close())
  const port = await freePort(IP)
  await go(listenerOf(port, [dead]))
  await assert.rejects(ask(port), { code: 'ECONNRESET' })
  assert.equal(dataplane.connections.count, 0)
})

test('a Service without endpoints refuses connections, and serves again when they come back', async (t) => {
  const server = await backend(naming('back'))
  const { dataplane, go, bindings } = startDataplane()
  t.after(() => (server.close(), dataplane.close()))
  const port = await freePort(IP)
  await go(listenerOf(port, []))
  await assert.rejects(ask(port), { code: 'ECONNREFUSED' })
  await go(listenerOf(port, [server.endpoint]))
  assert.equal(await ask(port), 'back')
  await go(listenerOf(port, []))
  await assert.rejects(ask(port), { code: 'ECONNREFUSED' })
  assert.deepEqual(
    bindings.map(({ binding }) => binding.state),
    ['bound', 'waiting'],
  )
})

for (const [name, fromClient] of [
  ['a reset by the client reaches the endpoint', true],
  ['a reset by the endpoint reaches the client', false],
] as const)
  test(name, async (t) => {
    const server = await backend((socket) => void socket.write('hello'))
    const { dataplane, go } = startDataplane()
    t.after(() => (server.close(), dataplane.close()))
    const port = await freePort(IP)
    await go(listenerOf(port, [server.endpoint]))
    const client = await dial(port)
    await once(client, 'data')
    const [resetting, other] = fromClient ? [client, server.sockets[0]!] : [server.sockets[0]!, client]
    other.resume()
    const failed = new Promise<NodeJS.ErrnoException>((resolve) => other.on('error', resolve))
    resetting.resetAndDestroy()
    assert.equal((await failed).code, 'ECONNRESET')
  })

test('endpoints are swapped under load and no connection fails', async (t) => {
  const backends = await Promise.all(['a', 'b', 'c', 'd'].map((name, i) => backend(naming(name), POD(i + 1))))
  const { dataplane, go } = startDataplane()
  t.after(() => (backends.forEach((b) => b.close()), dataplane.close()))
  const port = await freePort(IP)
  const endpoints = backends.map((b) => b.endpoint)
  await go(listenerOf(port, endpoints.slice(0, 2)))
  let stopped = false
  const seen = new Set<string>()
  const load = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (!stopped) seen.add(await ask(port))
    }),
  )
  for (let i = 0; i < 60; i++) {
    await pause(5)
    await go(listenerOf(port, [endpoints[i % 4]!, endpoints[(i + 1) % 4]!]))
  }
  stopped = true
  await load
  assert.deepEqual([...seen].sort(), ['a', 'b', 'c', 'd'])
})

test('a client stays with its endpoint for as long as it is there', async (t) => {
  const backends = await Promise.all(['a', 'b', 'c'].map((name, i) => backend(naming(name), POD(i + 1))))
  const { dataplane, go } = startDataplane()
  t.after(() => (backends.forEach((b) => b.close()), dataplane.close()))
  const port = await freePort(IP)
  const endpoints = backends.map((b) => b.endpoint)
  await go(listenerOf(port, endpoints, { affinityMs: 60_000 }))
  const first = await ask(port)
  for (let i = 0; i < 5; i++) assert.equal(await ask(port), first)
  await go(
    listenerOf(
      port,
      endpoints.filter((_, i) => ['a', 'b', 'c'][i] !== first),
      { affinityMs: 60_000 },
    ),
  )
  const second = await ask(port)
  assert.notEqual(second, first)
  for (let i = 0; i < 5; i++) assert.equal(await ask(port), second)
})

test('clients from outside the source ranges get nothing', async (t) => {
  const server = await backend(naming('inside'))
  const { dataplane, go } = startDataplane()
  t.after(() => (server.close(), dataplane.close()))
  const port = await freePort(IP)
  await go(listenerOf(port, [server.endpoint], { sourceRanges: ['10.0.0.0/8'] }))
  await assert.rejects(ask(port), { code: 'ECONNRESET' })
  await go(listenerOf(port, [server.endpoint], { sourceRanges: ['10.0.0.0/8', '127.0.0.0/8'] }))
  assert.equal(await ask(port), 'inside')
})

test('endpoints see the client itself where its address is to be kept', async (t) => {
  const server = await backend((socket) => void socket.end(socket.remoteAddress ?? ''))
  const { dataplane, go } = startDataplane()
  t.after(() => (server.close(), dataplane.close()))
  const port = await freePort(IP)
  await go(listenerOf(port, [server.endpoint], { keepSource: true }))
  const { connect } = await import('node:net')
  const client = connect({ host: IP, port, localAddress: '127.127.130.9' })
  assert.equal(await readAll(client), '127.127.130.9')
})

test('a port that is taken is tried again until it is free', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const server = await backend(naming('mine'))
  const other = await backend(naming('not mine'), IP)
  const { dataplane, go, bindings } = startDataplane()
  t.after(() => (server.close(), dataplane.close()))
  await go(listenerOf(other.endpoint.port, [server.endpoint]))
  assert.equal(bindings.length, 1)
  const { binding } = bindings[0]!
  assert.ok(binding.state === 'failed' && binding.code === 'EADDRINUSE')
  assert.match(binding.message, /another program listens there/)
  other.close()
  await once(other.server, 'close')
  t.mock.timers.tick(1_000)
  while (bindings.length < 2) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(bindings[1]!.binding.state, 'bound')
  assert.equal(await ask(other.endpoint.port), 'mine')
})

test('connections are counted as active while bytes move, and no longer', async (t) => {
  const server = await backend((socket) => void socket.on('data', (chunk) => socket.write(chunk)))
  const { dataplane, go } = startDataplane()
  t.after(() => (server.close(), dataplane.close()))
  const port = await freePort(IP)
  await go(listenerOf(port, [server.endpoint]))
  const client = await dial(port)
  client.write('ping')
  await once(client, 'data')
  assert.equal(dataplane.connections.active(server.endpoint.address), 1)
  while (dataplane.connections.active(server.endpoint.address) > 0) await pause(20)
  assert.equal(dataplane.connections.count, 1)
  client.write('ping')
  await once(client, 'data')
  assert.equal(dataplane.connections.active(server.endpoint.address), 1)
  client.destroy()
})

test('beyond the limit new connections are reset and old ones go on', async (t) => {
  const server = await backend((socket) => void socket.on('data', (chunk) => socket.write(chunk)))
  const { dataplane, go } = startDataplane(2)
  t.after(() => (server.close(), dataplane.close()))
  const port = await freePort(IP)
  await go(listenerOf(port, [server.endpoint]))
  const kept = [await dial(port), await dial(port)]
  for (const client of kept) {
    client.write('x')
    await once(client, 'data')
  }
  await assert.rejects(ask(port), { code: 'ECONNRESET' })
  kept[0]!.write('y')
  assert.equal(String((await once(kept[0]!, 'data'))[0]), 'y')
  for (const client of kept) client.destroy()
})
