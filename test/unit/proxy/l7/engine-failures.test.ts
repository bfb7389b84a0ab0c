import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../../harness/eventually.ts'
import { answering, deadPort, get, ok, post, startBackend, startProxy } from './engine-fixture.ts'

/** Nothing is ejected, so that each endpoint stays in the choice. */
const NO_HEALTH = {
  started: () => false,
  finished: () => false,
  sweep: () => false,
  nextSweepAtMs: () => Number.POSITIVE_INFINITY,
}

test('a request that can be repeated is, when the connection it was sent on had grown old', async (t) => {
  const backend = await startBackend(t)
  const { client, proxy } = await startProxy(t, [backend])
  const peer = await client()
  peer.send(get('/1'))
  const first = await backend.peer(0)
  await first.until(/\/1/)
  first.send(ok('one'))
  await peer.until(/one$/)
  peer.send(get('/2'))
  await first.until(/\/2/)
  first.socket.destroy()
  const second = await backend.peer(1)
  assert.match(await second.until(/\r\n\r\n$/), /^GET \/2 HTTP\/1\.1\r\nHost: a\r\n/)
  second.send(ok('two'))
  await peer.until(/two$/)
  assert.equal(proxy.engine.upstreams[0]!.metrics.retries, 1)
})

test('a POST is never repeated once it may have been read', async (t) => {
  const backend = await startBackend(t)
  const { client } = await startProxy(t, [backend])
  const peer = await client()
  peer.send(get('/1'))
  const first = await backend.peer(0)
  await first.until(/\/1/)
  first.send(ok('one'))
  await peer.until(/one$/)
  peer.send(post('hello'))
  await first.until(/hello$/)
  first.socket.destroy()
  assert.match(await peer.until(/upstream-closed\n$/), /^HTTP\/1\.1 502 /)
  assert.equal(backend.peers.length, 1)
})

test('a PUT with a small body is repeated whole, one that has streamed by is not', async (t) => {
  for (const [size, isRepeated] of [
    [1_000, true],
    [200_000, false],
  ] as const) {
    const backend = await startBackend(t)
    const { client } = await startProxy(t, [backend])
    const peer = await client()
    const body = 'b'.repeat(size)
    peer.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n${body}`)
    const first = await backend.peer(0)
    await eventually(() => (first.text.length > size ? true : undefined))
    first.socket.destroy()
    if (isRepeated) {
      const second = await backend.peer(1)
      await eventually(() => (second.text.endsWith(`\r\n\r\n${body}`) ? true : undefined))
      second.send(ok('done'))
      await peer.until(/done$/)
    } else {
      await peer.until(/upstream-closed\n$/)
      assert.equal(backend.peers.length, 1)
    }
  }
})

test('an endpoint that does not listen is passed over for another, whatever the method', async (t) => {
  const backend = await startBackend(t, (peer) => {
    peer.socket.on('data', () => {
      if (peer.text.endsWith('hello')) {
        peer.text = ''
        peer.send(ok('there'))
      }
    })
  })
  const dead = [await deadPort(), await deadPort()]
  const { client } = await startProxy(t, [...dead, backend], {}, { health: NO_HEALTH })
  const peer = await client()
  for (let i = 0; i < 30; i++) {
    peer.send(post('hello'))
    await peer.until(/there$/)
    // Longer than what is read before there is a connection.
    peer.send(post(`${'x'.repeat(300_000)}hello`))
    await peer.until(/there$/)
  }
})

test('an endpoint whose pod is ending gets nothing new while there is another', async (t) => {
  const [old, next] = [
    await startBackend(
      t,
      answering(() => ok('old')),
    ),
    await startBackend(
      t,
      answering(() => ok('next')),
    ),
  ]
  const { client, proxy } = await startProxy(t, [old])
  const peer = await client()
  const ending = { address: '127.0.0.1', port: old.port, terminating: true }
  proxy.setEndpoints([ending])
  peer.send(get())
  await peer.until(/old$/)
  proxy.setEndpoints([ending, { address: '127.0.0.1', port: next.port }])
  for (let i = 0; i < 10; i++) {
    peer.send(get())
    await peer.until(/next$/)
  }
})

test('no endpoint, none that listens, and too many connections are answered with their names', async (t) => {
  const none = await (await startProxy(t, [])).client()
  none.send(get())
  assert.match(await none.until(/no-endpoint\n$/), /^HTTP\/1\.1 503 /)
  none.send(get())
  await none.until(/no-endpoint\n$/)
  const dead = await (await startProxy(t, [await deadPort()])).client()
  dead.send(get())
  assert.match(await dead.until(/connect-failed\n$/), /^HTTP\/1\.1 503 /)
  dead.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.match(await dead.until(/\r\n\r\n$/), /x-wherry-error: connect-failed\r\n/)

  const backend = await startBackend(t)
  const { client } = await startProxy(t, [backend], {}, { circuit: { connections: 1 } })
  const [first, second] = [await client(), await client()]
  first.send(get('/1'))
  const upstream = await backend.peer(0)
  await upstream.until(/\/1/)
  second.send(get('/2'))
  assert.match(await second.until(/overloaded\n$/), /^HTTP\/1\.1 503 /)
  upstream.send(ok('one'))
  await first.until(/one$/)
  second.send(get('/3'))
  await upstream.until(/\/3/)
  upstream.send(ok('three'))
  await second.until(/three$/)
})

test('a client that goes away takes its request with it', async (t) => {
  const backend = await startBackend(t)
  const { client, proxy } = await startProxy(t, [backend])
  for (const request of [get(), post('', 'Content-Length: 5\r\n')]) {
    const n = backend.peers.length
    const peer = await client()
    peer.send(request)
    const upstream = await backend.peer(n)
    await upstream.until(/\r\n\r\n$/)
    peer.socket.resetAndDestroy()
    await upstream.ended()
  }
  const { metrics, breaker } = proxy.engine.upstreams[0]!
  assert.deepEqual([metrics.inFlight, breaker.count(0), breaker.count(2)], [0, 0, 0])
  assert.equal(metrics.errors().get('client-closed'), 2)
})

test('slow heads, slow bodies, slow endpoints and idle connections come to an end', async (t) => {
  const backend = await startBackend(t)
  const settings = { headMs: 50, bodyMs: 50, responseMs: 50, clientIdleMs: 50, lingerMs: 50 }
  const { client } = await startProxy(t, [backend], settings)
  const head = await client()
  head.send('GET / HTTP/1.1\r\nHost: a\r\n')
  assert.match(await head.ended(), /^HTTP\/1\.1 408 [\s\S]*request-timeout\n$/)
  const silent = await client()
  assert.equal(await silent.ended(), '')
  const body = await client()
  body.send(post('', 'Content-Length: 5\r\n'))
  assert.match(await body.ended(), /^HTTP\/1\.1 (408|504) /)
  const response = await client()
  response.send(get())
  assert.match(await response.ended(), /^HTTP\/1\.1 504 [\s\S]*response-timeout\n$/)
  const stopped = await client()
  stopped.send(get())
  const upstream = await eventually(() => backend.peers.find((peer) => !peer.isClosed && !peer.isEnded))
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab')
  await stopped.closed()
  assert.equal(stopped.error?.code, 'ECONNRESET')
})

test('a body of any size passes in little memory: who sends waits for who reads', async (t) => {
  const backend = await startBackend(t)
  const { client } = await startProxy(t, [backend])
  const chunk = 'x'.repeat(1 << 16)
  const stuffed = async (write: (text: string) => void, backlog: () => number): Promise<number> => {
    let sent = 0
    // Writes as long as somebody takes it; the kernel's own buffers on the way hold some megabytes.
    for (let idle = 0; idle < 20; ) {
      if (backlog() < 1 << 20) {
        write(chunk)
        sent += chunk.length
        idle = 0
      } else idle++
      await new Promise((resolve) => setTimeout(resolve, idle === 0 ? 0 : 10))
    }
    return sent
  }
  const before = process.memoryUsage()
  const up = await client()
  up.send(post('', 'Content-Length: 1000000000\r\n'))
  const upstream = await backend.peer(0)
  await upstream.until(/\r\n\r\n$/)
  upstream.socket.pause()
  const sentUp = await stuffed(
    (text) => up.send(text),
    () => up.socket.writableLength,
  )
  assert.ok(sentUp < 64 << 20, `${sentUp} bytes were taken`)
  const total = sentUp
  upstream.socket.resume()
  await eventually(() => (upstream.text.length === total ? true : undefined))

  const down = await client()
  down.send(get())
  const second = await backend.peer(1)
  await second.until(/\r\n\r\n$/)
  down.socket.pause()
  second.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n')
  const sentDown = await stuffed(
    (text) => second.send(text),
    () => second.socket.writableLength,
  )
  assert.ok(sentDown < 64 << 20, `${sentDown} bytes were taken`)
  down.socket.resume()
  await eventually(() => (down.text.length >= sentDown ? true : undefined))
  const grown = process.memoryUsage().arrayBuffers - before.arrayBuffers
  assert.ok(grown < 16 << 20, `${grown} bytes in buffers`)
})

test('a drained proxy finishes what is under way and takes nothing new', async (t) => {
  const backend = await startBackend(t)
  const { client, proxy } = await startProxy(t, [backend])
  const [busy, idle] = [await client(), await client()]
  busy.send(get())
  const upstream = await backend.peer(0)
  await upstream.until(/\r\n\r\n$/)
  const closed = proxy.close(10_000)
  assert.equal(await idle.ended(), '')
  idle.socket.end()
  upstream.send(ok('last'))
  assert.match(await busy.ended(), /Connection: close\r\n[\s\S]*last$/)
  busy.socket.end()
  await closed
  assert.equal(proxy.engine.connections, 0)
})

test('an endpoint that is taken out gets nothing new and finishes what it has', async (t) => {
  const [old, next] = [
    await startBackend(t),
    await startBackend(
      t,
      answering(() => ok('next')),
    ),
  ]
  const { client, proxy } = await startProxy(t, [old])
  const [busy, other] = [await client(), await client()]
  busy.send(get())
  const upstream = await old.peer(0)
  await upstream.until(/\r\n\r\n$/)
  proxy.setEndpoints([{ address: '127.0.0.1', port: next.port }])
  other.send(get())
  await other.until(/next$/)
  upstream.send(ok('old'))
  await busy.until(/old$/)
  await upstream.ended()
  busy.send(get())
  await busy.until(/next$/)
})
