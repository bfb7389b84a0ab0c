import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ConfiguredEngine } from '../../../../../src/proxy/l7/config/configured-engine.ts'
import type { BackendConfig, ProxyConfig } from '../../../../../src/proxy/l7/config/proxy-config.ts'
import { Engine } from '../../../../../src/proxy/l7/engine/engine.ts'
import { answering, get, ok, Peer, startBackend } from '../engine-fixture.ts'

const backendTo = (ports: readonly number[], settings: Partial<BackendConfig> = {}): BackendConfig => ({
  name: 'b',
  algorithm: 'round-robin',
  endpoints: ports.map((port) => ({ address: '127.0.0.1', port })),
  ...settings,
})
const configOf = (backend: BackendConfig, more: Partial<ProxyConfig> = {}): ProxyConfig => ({
  listeners: [{ name: 'web', host: '127.0.0.1', port: 0 }],
  backends: [backend],
  routes: [{ name: 'r', backends: [{ upstream: 'b' }] }],
  ...more,
})

function start(t: TestContext): ConfiguredEngine {
  const engine = new Engine()
  t.after(() => engine.destroy())
  return new ConfiguredEngine(engine, { reusePort: false, secret: 'hush', onWarning: assert.fail })
}

async function follow(configured: ConfiguredEngine, config: ProxyConfig): Promise<Readonly<Record<string, number>>> {
  const prepared = await configured.prepare(config)
  configured.commit(prepared)
  return prepared.ports
}

async function named(t: TestContext, name: string): Promise<number> {
  const { port } = await startBackend(
    t,
    answering((target) => ok(`<${name} ${target}>`)),
  )
  return port
}

test('what stays the same stays: port, open connections, counts, what is known of endpoints', async (t) => {
  const configured = start(t)
  const [a, b] = [await named(t, 'a'), await named(t, 'b')]
  const { web } = await follow(configured, configOf(backendTo([a])))
  const peer = new Peer(connect(web!, '127.0.0.1'))
  t.after(() => peer.socket.destroy())
  peer.send(get('/1'))
  await peer.until(/<a \/1>$/)
  const { upstreams } = configured.engine
  const first = upstreams[0]!
  const [known] = first.group.all()
  assert.ok(!Number.isNaN(known!.latencyMs) || known!.intervalSuccesses > 0)

  assert.deepEqual(await follow(configured, configOf(backendTo([a, b]))), { web })
  assert.equal(upstreams[0], first)
  assert.equal(first.group.all()[0], known)

  await follow(configured, configOf(backendTo([b], { algorithm: 'random', timeouts: { requestMs: 5_000 } })))
  assert.equal(upstreams.length, 1)
  assert.notEqual(upstreams[0], first)
  assert.equal(upstreams[0]!.metrics, first.metrics)
  peer.send(get('/2'))
  await peer.until(/<b \/2>$/)
  assert.equal(upstreams[0]!.timeouts.requestMs, 5_000)
})

test('a configuration that cannot be prepared, or is given up, leaves nothing open', async (t) => {
  const configured = start(t)
  const a = await named(t, 'a')
  const before = configOf(backendTo([a]))
  const { web } = await follow(configured, before)
  const free = { name: 'free', host: '127.0.0.1', port: 0 }
  const taken = { name: 'taken', host: '127.0.0.1', port: a }
  await assert.rejects(configured.prepare({ ...before, listeners: [...before.listeners, free, taken] }), {
    code: 'EADDRINUSE',
  })
  const prepared = await configured.prepare({ ...before, listeners: [...before.listeners, free] })
  await configured.abort(prepared)
  const refused = new Peer(connect(prepared.ports.free!, '127.0.0.1'))
  await refused.closed()
  assert.equal(refused.error?.code, 'ECONNREFUSED')
  assert.deepEqual(await follow(configured, before), { web })
})

test('a client that comes before the configuration holds waits for it', async (t) => {
  const configured = start(t)
  const prepared = await configured.prepare(configOf(backendTo([await named(t, 'a')])))
  const early = new Peer(connect(prepared.ports.web!, '127.0.0.1'))
  t.after(() => early.socket.destroy())
  early.send(get('/early'))
  // Answered by the same event loop: the early one's request has long arrived.
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  configured.commit(prepared)
  await early.until(/<a \/early>$/)
})

test('routes hold for the listeners that they name', async (t) => {
  const configured = start(t)
  const ports = await follow(
    configured,
    configOf(backendTo([await named(t, 'a')]), {
      listeners: [
        { name: 'web', host: '127.0.0.1', port: 0 },
        { name: 'inner', host: '127.0.0.1', port: 0 },
      ],
      routes: [{ name: 'r', listeners: ['inner'], backends: [{ upstream: 'b' }] }],
    }),
  )
  for (const [name, want] of [
    ['inner', /<a \/>$/],
    ['web', /no-route\n$/],
  ] as const) {
    const peer = new Peer(connect(ports[name]!, '127.0.0.1'))
    t.after(() => peer.socket.destroy())
    peer.send(get())
    await peer.until(want)
  }
})
