import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  createSecureServer as createH2,
  createServer as createH2c,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { LoadSignal } from '../../../../../src/proxy/balance/load-signal.ts'
import { ConfiguredEngine } from '../../../../../src/proxy/l7/config/configured-engine.ts'
import type { BackendConfig } from '../../../../../src/proxy/l7/config/proxy-config.ts'
import { Engine } from '../../../../../src/proxy/l7/engine/engine.ts'
import { readProxyHeader } from '../../../../../src/proxy/l7/proxy-protocol/read-proxy-header.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { get, Peer } from '../engine-fixture.ts'
import { createCertificates } from '../tls/certificates.ts'

/** A server that counts its requests and answers probes with what `load` says; undefined: with 404. */
interface Loaded {
  readonly port: number
  requests: number
  probes: number
  load: () => object | undefined
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

async function startLoaded(
  t: TestContext,
  create: (handler: Handler) => ReturnType<typeof createServer> = createServer,
): Promise<Loaded> {
  const server = create((request, response) => {
    if (request.url !== '/load') {
      loaded.requests++
      response.end('done')
      return
    }
    loaded.probes++
    const load = loaded.load()
    if (load === undefined) response.statusCode = 404
    response.end(JSON.stringify(load ?? {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const loaded: Loaded = { port, requests: 0, probes: 0, load: () => ({ requestsInFlight: 0, latencyMs: 1 }) }
  return loaded
}

interface Fixture {
  readonly warnings: string[]
  /** Sends requests one after another. */
  ask(count: number): Promise<void>
  apply(servers: readonly Loaded[], settings?: Partial<BackendConfig>): Promise<void>
}

async function start(t: TestContext, servers: readonly Loaded[], settings?: Partial<BackendConfig>): Promise<Fixture> {
  const engine = new Engine()
  const warnings: string[] = []
  const options = { reusePort: false, secret: 'hush', onWarning: (message: string) => void warnings.push(message) }
  const configured = new ConfiguredEngine(engine, options)
  t.after(() => {
    configured.close()
    engine.destroy()
  })
  let port = 0
  const apply = async (to: readonly Loaded[], more: Partial<BackendConfig> = {}): Promise<void> => {
    const endpoints = to.map((server) => ({ address: '127.0.0.1', port: server.port }))
    const prepared = await configured.prepare({
      listeners: [{ name: 'web', host: '127.0.0.1', port: 0 }],
      backends: [{ name: 'b', algorithm: 'prequal', probe: { path: '/load', timeoutMs: 5_000 }, endpoints, ...more }],
      routes: [{ name: 'r', backends: [{ upstream: 'b' }] }],
    })
    configured.commit(prepared)
    port = prepared.ports.web!
  }
  await apply(servers, settings)
  const peer = new Peer(connect(port, '127.0.0.1'))
  t.after(() => peer.socket.destroy())
  return {
    warnings,
    apply,
    async ask(count) {
      for (let i = 0; i < count; i++) {
        peer.send(get())
        await peer.until(/done(\r\n0\r\n\r\n)?$/)
      }
    },
  }
}

/** Until answers to probes decide. */
async function warmUp({ ask }: Fixture, servers: readonly Loaded[]): Promise<void> {
  await eventually(async () => {
    await ask(10)
    return servers.every(({ probes }) => probes > 3) ? true : undefined
  })
}

test('requests go where servers say that they have little to do, whatever the proxy sees itself', async (t) => {
  const servers = await Promise.all(Array.from({ length: 8 }, () => startLoaded(t)))
  const busy = servers.slice(4)
  // Others keep them busy: this proxy's own requests are answered as fast as everywhere.
  for (const server of busy) server.load = () => ({ requestsInFlight: 200, latencyMs: 900 })
  const fixture = await start(t, servers)
  await warmUp(fixture, servers)
  const count = (): number => busy.reduce((sum, { requests }) => sum + requests, 0)
  const before = count()
  await fixture.ask(400)
  const share = (count() - before) / 400
  // Half of them by chance alone; about an eighth where probes are answered in time.
  assert.ok(share < 0.38, `${share} of the requests went to the busy half`)
  assert.deepEqual(fixture.warnings, [])
})

test('a server can answer with what LoadSignal knows', async (t) => {
  const servers = await Promise.all([1, 2].map(() => startLoaded(t)))
  for (const server of servers) {
    const signal = new LoadSignal()
    signal.ended(signal.arrived(), 5)
    server.load = () => ({ requestsInFlight: signal.inFlight(), latencyMs: signal.latencyMs() })
  }
  const fixture = await start(t, servers)
  await warmUp(fixture, servers)
  assert.deepEqual(fixture.warnings, [])
})

test('where servers do not answer the proxy goes by what it sees itself, says so, and asks again', async (t) => {
  const servers = await Promise.all([1, 2, 3].map(() => startLoaded(t)))
  for (const server of servers) server.load = () => undefined
  const fixture = await start(t, servers)
  await eventually(async () => {
    await fixture.ask(5)
    return fixture.warnings.length > 0 ? true : undefined
  })
  assert.match(
    fixture.warnings[0]!,
    /^backend b does not answer probes, .*: 127\.0\.0\.1:\d+: GET \/load is answered with 404$/,
  )
  await fixture.ask(60)
  for (const server of servers) server.load = () => ({ requestsInFlight: 1 })
  await eventually(async () => {
    await fixture.ask(5)
    return fixture.warnings.length > 1 ? true : undefined
  })
  assert.equal(fixture.warnings[1], 'backend b answers probes again')
})

test('answers that are none, or never come, or do not end, cost no request', async (t) => {
  const servers = await Promise.all([1, 2, 3].map(() => startLoaded(t)))
  servers[0]!.load = () => ({ requestsInFlight: 'many' })
  servers[1]!.load = () => ({ requestsInFlight: 1, more: 'x'.repeat(5_000) })
  const silent = await startLoaded(t, (handler) =>
    createServer((request, response) => {
      if (request.url !== '/load') handler(request, response)
    }),
  )
  const fixture = await start(t, [...servers, silent], { probe: { path: '/load', timeoutMs: 50 } })
  await eventually(async () => {
    await fixture.ask(20)
    return servers.every(({ probes }) => probes > 1) ? true : undefined
  })
  await fixture.ask(50)
})

test('endpoints that are gone are asked no more, and no more is asked than is configured', async (t) => {
  const servers = await Promise.all([1, 2, 3].map(() => startLoaded(t)))
  const fixture = await start(t, servers, { probe: { path: '/load', perSecond: 10 } })
  const fromMs = performance.now()
  await fixture.ask(200)
  const seconds = (performance.now() - fromMs) / 1_000
  const probes = servers.reduce((sum, server) => sum + server.probes, 0)
  assert.ok(probes >= 1 && probes <= 2 + 10 * seconds, `${probes} probes in ${seconds} s`)
  await fixture.apply(servers.slice(1), { probe: { path: '/load', perSecond: 10 } })
  const { requests, probes: asked } = servers[0]!
  await fixture.ask(100)
  assert.deepEqual([servers[0]!.requests, servers[0]!.probes], [requests, asked])
})

for (const protocol of ['h2c', 'h2', 'auto'] as const) {
  test(`probes are HTTP/2 where requests are (${protocol})`, async (t) => {
    const certificates = await createCertificates(t)
    const files = await certificates.issue('b', ['b.example'])
    const [cert, key] = await Promise.all([readFile(files.certificateFile), readFile(files.keyFile)])
    const sessions: ServerHttp2Session[] = []
    const versions = new Set<string>()
    const create = (handler: Handler): ReturnType<typeof createServer> => {
      const seen = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
        versions.add(request.httpVersion)
        handler(request as unknown as IncomingMessage, response as unknown as ServerResponse)
      }
      const server = protocol === 'h2c' ? createH2c(seen) : createH2({ cert, key }, seen)
      server.on('session', (session: ServerHttp2Session) => sessions.push(session))
      t.after(() => {
        for (const session of sessions) session.destroy()
      })
      return Object.assign(server, { closeAllConnections() {} }) as unknown as ReturnType<typeof createServer>
    }
    const servers = await Promise.all([1, 2].map(() => startLoaded(t, create)))
    const tls = { caFile: certificates.caFile, serverName: 'b.example' }
    const fixture = await start(t, servers, { protocol, ...(protocol === 'h2c' ? {} : { tls }) })
    await warmUp(fixture, servers)
    assert.deepEqual(fixture.warnings, [])
    assert.deepEqual([...versions], ['2.0'])
  })
}

test('probes go over TLS where requests do, and begin with a PROXY header where those do', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('b', ['b.example'])
  const [cert, key] = await Promise.all([readFile(files.certificateFile), readFile(files.keyFile)])
  const headers: string[] = []
  const secure = (handler: Handler): ReturnType<typeof createServer> => {
    const inner = createTlsServer({ cert, key }, handler)
    const outer = createServer()
    outer.removeAllListeners('connection')
    outer.on('connection', (socket: Socket) => {
      socket.on('error', () => {})
      socket.once('readable', () => {
        const bytes: Buffer = socket.read() ?? Buffer.alloc(0)
        const reading = readProxyHeader(bytes)
        if (reading.kind !== 'read') assert.fail(reading.kind)
        headers.push(reading.ends === undefined ? 'nobody' : 'client')
        socket.unshift(bytes.subarray(reading.bytes))
        inner.emit('connection', socket)
      })
    })
    t.after(() => inner.closeAllConnections())
    return outer
  }
  const servers = await Promise.all([1, 2].map(() => startLoaded(t, secure)))
  const fixture = await start(t, servers, {
    tls: { caFile: certificates.caFile, serverName: 'b.example' },
    proxyProtocol: 'v2',
  })
  await warmUp(fixture, servers)
  assert.deepEqual(fixture.warnings, [])
  assert.ok(headers.includes('nobody') && headers.includes('client'))
})
