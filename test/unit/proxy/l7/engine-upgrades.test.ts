import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../../harness/eventually.ts'
import { get, ok, startBackend, startProxy } from './engine-fixture.ts'

const UPGRADE = get('/ws', 'Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n')
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

test('after 101 bytes pass both ways, those sent too early included, and ends pass one by one', async (t) => {
  const backend = await startBackend(t)
  const { client, proxy } = await startProxy(t, [backend])
  const peer = await client()
  peer.send(`${UPGRADE}early`)
  const upstream = await backend.peer(0)
  const head = await upstream.until(/\r\n\r\n/)
  assert.match(head, /Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n$/)
  upstream.send(`${SWITCHING}hello`)
  assert.match(
    await peer.until(/hello$/),
    /^HTTP\/1\.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello$/,
  )
  await upstream.until(/^early$/)
  const big = 'z'.repeat(3_000_000)
  peer.send(big)
  upstream.send(big)
  await eventually(() => (upstream.text === big && peer.text === big ? true : undefined))
  peer.text = ''
  peer.socket.end()
  assert.equal(await upstream.ended(), big)
  upstream.send('last words')
  upstream.socket.end()
  assert.equal(await peer.ended(), 'last words')
  await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
})

test('a side that reads slowly stops the other', async (t) => {
  const backend = await startBackend(t)
  const { client } = await startProxy(t, [backend])
  const peer = await client()
  peer.send(UPGRADE)
  const upstream = await backend.peer(0)
  await upstream.until(/\r\n\r\n/)
  upstream.send(SWITCHING)
  await peer.until(/\r\n\r\n$/)
  peer.socket.pause()
  const chunk = 'x'.repeat(1 << 20)
  for (let i = 0; i < 64; i++) upstream.send(chunk)
  let before = -1
  await eventually(() => {
    const left = upstream.socket.writableLength
    const isStill = left === before
    before = left
    return isStill && left > 0 ? true : undefined
  })
  peer.socket.resume()
  await eventually(() => (peer.text.length === 64 << 20 ? true : undefined))
})

test('a reset passes through a tunnel', async (t) => {
  for (const side of ['client', 'upstream']) {
    const backend = await startBackend(t)
    const { client } = await startProxy(t, [backend])
    const peer = await client()
    peer.send(UPGRADE)
    const upstream = await backend.peer(0)
    await upstream.until(/\r\n\r\n/)
    upstream.send(SWITCHING)
    await peer.until(/\r\n\r\n$/)
    const [from, to] = side === 'client' ? [peer, upstream] : [upstream, peer]
    from.socket.resetAndDestroy()
    await to.closed()
    assert.equal(to.error?.code, 'ECONNRESET')
  }
})

test('without 101 there is no tunnel: what the client sends next never reaches the endpoint', async (t) => {
  const backend = await startBackend(t)
  const { client } = await startProxy(t, [backend])
  const peer = await client()
  peer.send(`${UPGRADE}${get('/smuggled')}`)
  const upstream = await backend.peer(0)
  await upstream.until(/\r\n\r\n$/)
  upstream.send(ok('no'))
  assert.match(await peer.ended(), /Connection: close\r\n[\s\S]*no$/)
  assert.equal(await upstream.ended(), '')
  assert.equal(backend.peers.length, 1)
})

test('101 that was not asked for, or for another protocol, is a bad answer', async (t) => {
  for (const [request, answer] of [
    [get(), SWITCHING],
    [UPGRADE, SWITCHING.replace('websocket', 'other')],
    [UPGRADE, 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
    [get('/', 'Connection: Upgrade\r\nUpgrade: other\r\n'), SWITCHING.replace('websocket', 'other')],
  ] as const) {
    const backend = await startBackend(t)
    const { client } = await startProxy(t, [backend])
    const peer = await client()
    peer.send(request)
    const upstream = await backend.peer(0)
    await upstream.until(/\r\n\r\n$/)
    upstream.send(`${answer}secret`)
    const text = await peer.until(/upgrade-failed\n$/)
    assert.match(text, /^HTTP\/1\.1 502 /)
    assert.doesNotMatch(text, /secret/)
    await upstream.ended()
  }
})

test('h2c and protocols that are not allowed are requests like any other', async (t) => {
  for (const protocol of ['h2c', 'foo/1']) {
    const backend = await startBackend(t)
    const { client } = await startProxy(t, [backend])
    const peer = await client()
    peer.send(get('/', `Connection: Upgrade, HTTP2-Settings\r\nUpgrade: ${protocol}\r\nHTTP2-Settings: AAMAAABk\r\n`))
    const upstream = await backend.peer(0)
    assert.doesNotMatch(await upstream.until(/\r\n\r\n$/), /upgrade|settings|^connection/im)
    upstream.send(ok('plain'))
    await peer.until(/plain$/)
  }
})
