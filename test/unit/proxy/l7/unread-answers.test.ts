import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { type HttpProxy, startHttpProxy } from '../../../../src/proxy/l7/standalone.ts'
import { eventually } from '../../../harness/eventually.ts'
import { answering, get, ok, Peer, startBackend, startProxy } from './engine-fixture.ts'
import { createCertificates } from './tls/certificates.ts'

const REQUESTS = 20_000
const BODY = 'x'.repeat(1_000)

function answered(proxy: HttpProxy): number {
  return [...proxy.engine.upstreams[0]!.metrics.allSeries()].reduce((sum, { counts }) => sum + counts[1]!, 0)
}

/** Waits until no more requests are answered, and checks that this is so because the client does not read. */
async function stalls(proxy: HttpProxy): Promise<void> {
  let before = -1
  await eventually(() => {
    const count = answered(proxy)
    const isStill = count === before && count > 0
    before = count
    return isStill ? true : undefined
  })
  // What the kernel takes for both sides is a few MB.
  assert.ok(before < REQUESTS * 0.75, `${before} requests were answered`)
}

async function readsAll(peer: Peer, end: () => void): Promise<void> {
  let bodies = 0
  let tail = ''
  peer.socket.removeAllListeners('data')
  peer.socket.on('data', (data: Buffer) => {
    const text = tail + data.toString('latin1')
    const parts = text.split(`\r\n\r\n${BODY}`)
    bodies += parts.length - 1
    tail = parts.at(-1)!
  })
  peer.socket.resume()
  end()
  await eventually(() => (bodies === REQUESTS ? true : undefined), 25_000, 'all answers')
}

async function answersOf(t: TestContext): Promise<number> {
  const backend = await startBackend(
    t,
    answering(() => ok(BODY)),
  )
  return backend.port
}

test('a client that asks and does not read is not answered further, until it reads', async (t) => {
  const { client, proxy } = await startProxy(t, [await answersOf(t)])
  const peer = await client()
  peer.socket.pause()
  peer.send(get().repeat(REQUESTS))
  await stalls(proxy)
  await readsAll(peer, () => peer.socket.end())
  await peer.ended()
  await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
})

test('interim responses wait for the client too, and none is lost', async (t) => {
  const requests = 200
  const early = `HTTP/1.1 103 Early Hints\r\nLink: <${'q'.repeat(8_000)}>\r\n\r\n`
  const backend = await startBackend(
    t,
    answering(() => early.repeat(8) + ok('final')),
  )
  const { client, proxy } = await startProxy(t, [backend])
  const peer = await client()
  peer.socket.pause()
  peer.send(get().repeat(requests))
  let before = -1
  await eventually(() => {
    const count = answered(proxy)
    const isStill = count === before && count > 0
    before = count
    return isStill ? true : undefined
  })
  assert.ok(before < requests * 0.9, `${before} requests were answered`)
  let text = ''
  peer.socket.removeAllListeners('data')
  peer.socket.on('data', (data: Buffer) => {
    text += data.toString('latin1').replace(/q+/g, '')
  })
  peer.socket.resume()
  await eventually(() => (text.split('final').length - 1 === requests ? true : undefined), 20_000, 'all answers')
  assert.equal(text.split('HTTP/1.1 103 ').length - 1, requests * 8)
  assert.equal(proxy.engine.upstreams[0]!.metrics.retries, 0)
})

test('so it is through TLS', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const proxy = await startHttpProxy({
    listen: { host: '127.0.0.1', port: 0, tls: { certificates: [files] } },
    endpoints: [{ address: '127.0.0.1', port: await answersOf(t) }],
  })
  t.after(() => proxy.close())
  const socket = connect({ port: proxy.port, host: '127.0.0.1', ca: certificates.ca, servername: 'a.example' })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  const peer = new Peer(socket)
  socket.pause()
  peer.send(get().repeat(REQUESTS))
  await stalls(proxy)
  await readsAll(peer, () => {})
  socket.destroy()
  await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
})

test('one that never reads is cut off', async (t) => {
  const { client, proxy } = await startProxy(t, [await answersOf(t)], { bodyMs: 500 })
  const peer = await client()
  peer.socket.pause()
  peer.send(get().repeat(REQUESTS))
  await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
  assert.ok(answered(proxy) < REQUESTS)
})
