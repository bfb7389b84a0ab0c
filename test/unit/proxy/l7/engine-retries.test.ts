import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answering, type Backend, get, ok, post, startBackend, startProxy } from './engine-fixture.ts'
import { NO_EJECTIONS } from './no-ejections.ts'

const failing = (status: number, body = 'not now'): string =>
  `HTTP/1.1 ${status} Whatever\r\nContent-Length: ${body.length}\r\nX-From: bad\r\n\r\n${body}`

/** Two backends of which the first to be asked answers `status`, and the other 200. */
async function pair(
  t: Parameters<typeof startBackend>[0],
  status: number,
): Promise<{ asked(): number; both: Backend[] }> {
  let asked = 0
  const answer = (): string => {
    asked++
    return asked === 1 ? failing(status) : ok('good')
  }
  const both = [await startBackend(t, answering(answer)), await startBackend(t, answering(answer))]
  return { asked: () => asked, both }
}

test('an answer whose status says so is tried again elsewhere, and the client sees only the good one', async (t) => {
  for (const status of [502, 503, 504]) {
    const { asked, both } = await pair(t, status)
    const { client, proxy } = await startProxy(t, both, {}, { retry: { statuses: [502, 503, 504] } })
    const peer = await client()
    peer.send(get())
    const text = await peer.until(/good$/)
    assert.match(text, /^HTTP\/1\.1 200 /)
    assert.doesNotMatch(text, /X-From: bad/)
    assert.equal(asked(), 2)
    assert.deepEqual(
      both.map(({ peers }) => peers.length),
      [1, 1],
    )
    const { metrics, breaker } = proxy.engine.upstreams[0]!
    assert.deepEqual([metrics.retries, metrics.inFlight, breaker.count(2)], [1, 0, 0])
    // The dropped answer's connection is as good as any other.
    for (let i = 0; i < 4; i++) {
      peer.send(get())
      await peer.until(/good$/)
    }
    assert.deepEqual(
      both.map(({ peers }) => peers.length),
      [1, 1],
    )
  }
})

test('an answer is the last word where no status says otherwise, for what may not be sent twice, and at the end', async (t) => {
  const plain = await pair(t, 503)
  const peer = await (await startProxy(t, plain.both)).client()
  peer.send(get())
  assert.match(await peer.until(/not now$/), /^HTTP\/1\.1 503 [\s\S]*X-From: bad/)
  assert.equal(plain.asked(), 1)

  const other = await pair(t, 500)
  const others = await (await startProxy(t, other.both, {}, { retry: { statuses: [503] } })).client()
  others.send(get())
  assert.match(await others.until(/not now$/), /^HTTP\/1\.1 500 /)

  const posted = await pair(t, 503)
  const poster = await (await startProxy(t, posted.both, {}, { retry: { statuses: [503] } })).client()
  poster.send(post(''))
  assert.match(await poster.until(/not now$/), /^HTTP\/1\.1 503 /)
  assert.equal(posted.asked(), 1)

  let asked = 0
  const never = await startBackend(
    t,
    answering(() => {
      asked++
      return failing(503, `try ${asked}`)
    }),
  )
  const upstream = { retry: { statuses: [503], triesMax: 3, backoff: { baseMs: 1, maxMs: 1 } }, health: NO_EJECTIONS }
  const last = await (await startProxy(t, [never], {}, upstream)).client()
  last.send(get())
  assert.match(await last.until(/try 3$/), /^HTTP\/1\.1 503 /)
  assert.equal(asked, 3)
})

test('the budget ends tries of answers too', async (t) => {
  let asked = 0
  const backend = await startBackend(
    t,
    answering(() => {
      asked++
      return failing(503)
    }),
  )
  const { client, proxy } = await startProxy(
    t,
    [backend],
    {},
    {
      retry: { statuses: [503], triesMax: 10, backoff: { baseMs: 1, maxMs: 1 } },
      budget: { ratio: 0.5, minimumPerSecond: 0 },
      health: NO_EJECTIONS,
    },
  )
  const peer = await client()
  for (let i = 0; i < 40; i++) {
    peer.send(get())
    await peer.until(/not now$/)
  }
  assert.equal(proxy.engine.upstreams[0]!.metrics.retries, 20)
  assert.equal(asked, 60)
})

test('a body is sent again as it was, where all of it is at hand; beyond that the answer passes', async (t) => {
  const bodies: string[] = []
  const backend = await startBackend(t, (peer) => {
    peer.socket.on('data', () => {
      const end = peer.text.indexOf('\r\n\r\n')
      const length = Number(/content-length: (\d+)/i.exec(peer.text)?.[1])
      if (end === -1 || peer.text.length < end + 4 + length) return
      bodies.push(peer.text.slice(end + 4))
      peer.text = ''
      peer.send(bodies.length === 1 ? failing(503) : ok('stored'))
    })
  })
  const upstream = { retry: { statuses: [503], backoff: { baseMs: 1, maxMs: 1 } }, health: NO_EJECTIONS }
  const { client } = await startProxy(t, [backend], {}, upstream)
  const peer = await client()
  const small = 'b'.repeat(20_000)
  peer.send(`PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${small.length}\r\n\r\n${small}`)
  assert.match(await peer.until(/stored$/), /^HTTP\/1\.1 200 /)
  assert.deepEqual(bodies, [small, small])
  bodies.length = 0
  const large = 'c'.repeat(200_000)
  peer.send(`PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${large.length}\r\n\r\n${large}`)
  assert.match(await peer.until(/not now$/), /^HTTP\/1\.1 503 /)
  assert.deepEqual(bodies, [large])
})

test('the connection of a dropped answer whose end is its own close, or that goes on for long, is given up', async (t) => {
  const answers = [
    'HTTP/1.1 503 No\r\n\r\nuntil the end',
    `HTTP/1.1 503 No\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(200_000)}`,
    'HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno',
  ]
  for (const bad of answers) {
    let asked = 0
    const backend = await startBackend(t, (peer) =>
      answering(() => {
        asked++
        return asked === 1 ? bad : ok('good')
      })(peer),
    )
    const upstream = { retry: { statuses: [503], backoff: { baseMs: 1, maxMs: 1 } }, health: NO_EJECTIONS }
    const { client } = await startProxy(t, [backend], {}, upstream)
    const peer = await client()
    peer.send(get())
    assert.match(await peer.until(/good$/), /^HTTP\/1\.1 200 /)
    const first = await backend.peer(0)
    if (!bad.includes('until the end')) await first.ended()
    assert.equal(backend.peers.length, 2)
  }
})

test('a try that takes too long makes room for another one; a slow endpoint costs its time, not the answer', async (t) => {
  let asked = 0
  const answer = (): string => {
    asked++
    return asked === 1 ? '' : ok('quick')
  }
  const both = [await startBackend(t, answering(answer)), await startBackend(t, answering(answer))]
  const retry = { perTryMs: 60, backoff: { baseMs: 1, maxMs: 1 } }
  const { client, proxy } = await startProxy(t, both, {}, { retry })
  const peer = await client()
  peer.send(get())
  assert.match(await peer.until(/quick$/), /^HTTP\/1\.1 200 /)
  assert.equal(asked, 2)
  assert.equal(proxy.engine.upstreams[0]!.metrics.retries, 1)
  assert.deepEqual(
    both.map(({ peers }) => peers.length),
    [1, 1],
  )
})

test('what may have been acted on is not sent again for being slow, nor is any once all its time is up', async (t) => {
  const silent = await startBackend(t)
  const { client } = await startProxy(t, [silent], {}, { retry: { perTryMs: 40 }, health: NO_EJECTIONS })
  const poster = await client()
  poster.send(post('x'))
  assert.match(await poster.until(/response-timeout\n$/), /^HTTP\/1\.1 504 /)
  assert.equal(silent.peers.length, 1)

  const slow = await startBackend(t)
  const upstream = { retry: { perTryMs: 40, triesMax: 100 }, timeouts: { requestMs: 400 }, health: NO_EJECTIONS }
  const fixture = await startProxy(t, [slow], {}, upstream)
  const getter = await fixture.client()
  getter.send(get())
  assert.match(await getter.until(/-timeout\n$/), /^HTTP\/1\.1 504 /)
  const { metrics, breaker } = fixture.proxy.engine.upstreams[0]!
  assert.ok(metrics.retries >= 1)
  assert.deepEqual([metrics.inFlight, breaker.count(2)], [0, 0])
})
