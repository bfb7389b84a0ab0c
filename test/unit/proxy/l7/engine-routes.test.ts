import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Engine } from '../../../../src/proxy/l7/engine/engine.ts'
import { RouteRulesError } from '../../../../src/proxy/l7/routes/compile-routes.ts'
import { createRouter } from '../../../../src/proxy/l7/routes/create-router.ts'
import { SwappableRouter } from '../../../../src/proxy/l7/routes/swappable-router.ts'
import { answering, get, ok, Peer, startBackend } from './engine-fixture.ts'

test('requests go where the rules say, also after they have changed on an open connection', async (t) => {
  const engine = new Engine()
  t.after(() => engine.destroy())
  const upstreams = new Map<string, ReturnType<Engine['createUpstream']>>()
  for (const name of ['shop', 'cart']) {
    const { port } = await startBackend(
      t,
      answering((target) => ok(`<${name} ${target}>`)),
    )
    upstreams.set(name, engine.createUpstream({ name, endpoints: [{ address: '127.0.0.1', port }] }))
  }
  const router = (prefix: string): ReturnType<typeof createRouter> =>
    createRouter(
      [
        { name: 'shop', hosts: ['a'], backends: [{ upstream: 'shop' }] },
        { name: 'cart', hosts: ['a'], path: { prefix }, backends: [{ upstream: 'cart' }] },
      ],
      upstreams,
      (name) => (name === 'shop' ? 0 : 1),
      Math.random,
    )
  const swappable = new SwappableRouter(router('/cart'))
  const { port } = await engine.listen({ host: '127.0.0.1', port: 0 }, swappable)
  const peer = new Peer(connect(port, '127.0.0.1'))
  t.after(() => peer.socket.destroy())
  const ask = async (target: string, want: RegExp): Promise<void> => {
    peer.send(get(target))
    await peer.until(want)
  }
  await ask('/', /<shop \/>$/)
  await ask('/cart/1', /<cart \/cart\/1>$/)
  swappable.current = router('/basket')
  await ask('/cart/1', /<shop \/cart\/1>$/)
  await ask('/basket', /<cart \/basket>$/)
  peer.send('GET / HTTP/1.1\r\nHost: b\r\n\r\n')
  assert.match(await peer.until(/no-route\n$/), /^HTTP\/1\.1 404 /)
  await ask('/', /<shop \/>$/)
  peer.send(get('/x/../basket'))
  assert.match(await peer.ended(), /^HTTP\/1\.1 400 [\s\S]*ambiguous-path\n$/)
  assert.deepEqual(
    [...engine.errors],
    [
      ['no-route', 1],
      ['ambiguous-path', 1],
    ],
  )
})

test('a rule that leads nowhere is refused', () => {
  const rule = { name: 'r', backends: [{ upstream: 'nowhere' }] }
  assert.throws(() => createRouter([rule], new Map(), () => 0, Math.random), RouteRulesError)
})
