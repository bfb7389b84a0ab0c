import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../../harness/eventually.ts'
import {
  answering,
  type Backend,
  get,
  ok,
  type Peer,
  type ProxyFixture,
  post,
  startBackend,
  startProxy,
} from './engine-fixture.ts'

const PIPELINING = {
  depthMax: 64,
  fastMs: 10_000,
  renewMs: 1_000_000_000,
  waitMs: 10_000,
  stallMs: 60_000,
  pauseMs: 60_000,
  pauseMaxMs: 60_000,
}

/** Enough fast answers that connections are shared from then on. */
async function warmUp(fixture: ProxyFixture): Promise<void> {
  const peer = await fixture.client()
  peer.send(Array.from({ length: 1_500 }, () => get('/warm')).join('') + get('/warmed'))
  await peer.until(/warmed$/)
}

/** Answers at once while not `hold`; a connection that has been held (where `which` says so) is never answered again. */
function holding(which: (peer: Peer) => boolean = () => true): { onPeer(peer: Peer): void; hold: boolean } {
  const held = new Set<Peer>()
  const state = {
    hold: false,
    onPeer: answering(
      (target) => ok(target),
      (peer) => {
        if (state.hold && which(peer)) held.add(peer)
        return held.has(peer)
      },
    ),
  }
  return state
}

async function clients(fixture: ProxyFixture, count: number): Promise<Peer[]> {
  return Promise.all(Array.from({ length: count }, () => fixture.client()))
}

const targets = (peer: Peer): string[] => [...peer.text.matchAll(/^GET (\S+) /gm)].map(([, target]) => target!)

/** Sends `/0`, `/1`, … from as many clients and waits until all of them are on one connection. */
async function shared(
  fixture: ProxyFixture,
  backend: Backend,
  count: number,
): Promise<{ peers: Peer[]; upstream: Peer }> {
  const peers = await clients(fixture, count)
  for (const [i, peer] of peers.entries()) peer.send(get(`/${i}`))
  const upstream = await eventually(() => backend.peers.find((peer) => targets(peer).length === count))
  return { peers, upstream }
}

test('many clients on few connections: each gets the answer to its own request', async (t) => {
  const backend = await startBackend(
    t,
    answering((target) => ok(`<${target}>`)),
  )
  const fixture = await startProxy(t, [backend], { pipelining: PIPELINING })
  const peers = await clients(fixture, 50)
  await Promise.all(
    peers.map(async (peer, i) => {
      for (let n = 0; n < 40; n++) {
        peer.send(get(`/${i}-${n}`))
        const text = await eventually(() => (/<.*>$/.test(peer.text) ? peer.text : undefined))
        peer.text = ''
        assert.ok(text.endsWith(`\r\n\r\n</${i}-${n}>`), text)
      }
    }),
  )
  assert.ok(backend.peers.length <= 50)
  assert.ok([...fixture.proxy.engine.upstreams[0]!.endpoints()][0]!.sharing.depth > 1, 'connections are shared by now')
})

test('when a shared connection breaks, the requests on it are sent again', async (t) => {
  const held = holding()
  const backend = await startBackend(t, held.onPeer)
  const fixture = await startProxy(t, [backend], { pipelining: PIPELINING })
  await warmUp(fixture)
  held.hold = true
  const { peers, upstream } = await shared(fixture, backend, 10)
  held.hold = false
  upstream.send(`${ok('/0')}${ok('/1')}HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf`)
  await peers[2]!.until(/half$/)
  upstream.socket.destroy()
  await Promise.all(peers.map((peer, i) => (i === 2 ? peer.closed() : peer.until(new RegExp(`/${i}$`)))))
  assert.equal(peers[2]!.error?.code, 'ECONNRESET', 'what had begun cannot be begun again')
})

test('Connection: close in the middle of a shared connection loses nothing behind it', async (t) => {
  const held = holding()
  const backend = await startBackend(t, held.onPeer)
  const fixture = await startProxy(t, [backend], { pipelining: PIPELINING })
  await warmUp(fixture)
  held.hold = true
  const { peers, upstream } = await shared(fixture, backend, 10)
  held.hold = false
  upstream.send(`${ok('/0')}${ok('/1', 'Connection: close\r\n')}`)
  await Promise.all(peers.map((peer, i) => peer.until(new RegExp(`/${i}$`))))
  await upstream.ended()
})

test('a slow answer does not hold up those behind it for long, and connections are not shared for a while', async (t) => {
  const held = holding((peer) => targets(peer).some((target) => target === '/0' || target.startsWith('/again')))
  const backend = await startBackend(t, held.onPeer)
  const fixture = await startProxy(t, [backend], { pipelining: { ...PIPELINING, depthMax: 4, stallMs: 20 } })
  await warmUp(fixture)
  held.hold = true
  const peers = await clients(fixture, 10)
  for (const [i, peer] of peers.entries()) peer.send(get(`/${i}`))
  const slow = await eventually(() => backend.peers.find((peer) => targets(peer).includes('/0')))
  await Promise.all(peers.slice(1).map((peer, i) => peer.until(new RegExp(`/${i + 1}$`))))
  slow.send(ok('/0'))
  await peers[0]!.until(/\/0$/)
  await slow.ended()
  assert.ok(fixture.proxy.engine.upstreams[0]!.metrics.moved > 0)
  const again = (peer: Peer): number => targets(peer).filter((target) => target.startsWith('/again')).length
  for (const [i, peer] of peers.entries()) peer.send(get(`/again-${i}`))
  await eventually(() => (backend.peers.reduce((sum, peer) => sum + again(peer), 0) === 10 ? true : undefined))
  for (const peer of backend.peers) assert.ok(again(peer) <= 1)
})

test('a client that leaves a shared connection takes only its own request with it', async (t) => {
  const held = holding()
  const backend = await startBackend(t, held.onPeer)
  const fixture = await startProxy(t, [backend], { pipelining: PIPELINING })
  await warmUp(fixture)
  held.hold = true
  const { peers, upstream } = await shared(fixture, backend, 6)
  const before = fixture.proxy.engine.connections
  peers[0]!.socket.resetAndDestroy()
  peers[3]!.socket.resetAndDestroy()
  await eventually(() => (fixture.proxy.engine.connections === before - 2 ? true : undefined))
  upstream.send([0, 1, 2, 3, 4, 5].map((i) => ok(`/${i}`)).join(''))
  await Promise.all([1, 2, 4, 5].map((i) => peers[i]!.until(new RegExp(`/${i}$`))))
  assert.equal(upstream.isEnded, false)
})

test('requests with a body and unsafe ones never stand behind others', async (t) => {
  const held = holding()
  const backend = await startBackend(t, held.onPeer)
  const fixture = await startProxy(t, [backend], { pipelining: PIPELINING })
  await warmUp(fixture)
  held.hold = true
  const peers = await clients(fixture, 6)
  const requests = [
    get('/a'),
    get('/b'),
    post('x'),
    'DELETE /d HTTP/1.1\r\nHost: a\r\n\r\n',
    get('/e'),
    'BREW /f HTTP/1.1\r\nHost: a\r\n\r\n',
  ]
  for (const [i, peer] of peers.entries()) {
    peer.send(requests[i]!)
    await eventually(() =>
      backend.peers.reduce((sum, { text }) => sum + (text.match(/ HTTP\/1\.1\r\n/g)?.length ?? 0), 0) === i + 1
        ? true
        : undefined,
    )
  }
  const lines = backend.peers
    .map(({ text }) => [...text.matchAll(/^(\S+ \S+) HTTP/gm)].map(([, line]) => line))
    .filter((all) => all.length > 0)
  assert.deepEqual(
    lines.sort((x, y) => String(x).localeCompare(String(y))),
    [['BREW /f'], ['DELETE /d'], ['GET /a', 'GET /b', 'GET /e'], ['POST /p']],
  )
})
