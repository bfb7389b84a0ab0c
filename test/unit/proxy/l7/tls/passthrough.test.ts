import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, connect as connectPlain, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { Engine } from '../../../../../src/proxy/l7/engine/engine.ts'
import type { EngineSettings } from '../../../../../src/proxy/l7/engine/engine-settings.ts'
import type { ListenerOptions } from '../../../../../src/proxy/l7/engine/listener-options.ts'
import { RequestKey } from '../../../../../src/proxy/l7/engine/request-key.ts'
import type { UpstreamOptions } from '../../../../../src/proxy/l7/engine/upstream.ts'
import { readProxyHeader } from '../../../../../src/proxy/l7/proxy-protocol/read-proxy-header.ts'
import { writeProxyHeader } from '../../../../../src/proxy/l7/proxy-protocol/write-proxy-header.ts'
import { ServerNameTable } from '../../../../../src/proxy/l7/tls/server-name-table.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { deadPort, Peer, startBackend } from '../engine-fixture.ts'
import { createCertificates, type TestCertificates } from './certificates.ts'

/** A TLS server that says its name and sends everything back. */
async function startTls(t: TestContext, certificates: TestCertificates, name: string): Promise<number> {
  const files = await certificates.issue(name, [name])
  const [cert, key] = await Promise.all([readFile(files.certificateFile), readFile(files.keyFile)])
  const sockets: TLSSocket[] = []
  const server = createServer({ cert, key, allowHalfOpen: true } as Parameters<typeof createServer>[0], (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.write(`${name}:${socket.servername}:`)
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

interface Fixture {
  readonly engine: Engine
  readonly port: number
  client(servername: string, preface?: Uint8Array): Promise<Peer>
  plain(): Promise<Peer>
}

async function start(
  t: TestContext,
  ca: string,
  routes: Readonly<Record<string, readonly number[]>>,
  settings: Partial<EngineSettings> = {},
  upstreams: Partial<UpstreamOptions> = {},
  listen: Omit<ListenerOptions, 'tls'> = {},
): Promise<Fixture> {
  const engine = new Engine({ settings })
  t.after(() => engine.destroy())
  const table = new ServerNameTable(
    Object.entries(routes).map(([name, ports], id) => ({
      serverNames: [name],
      value: {
        id,
        name,
        upstream: engine.createUpstream({
          ...upstreams,
          name,
          endpoints: ports.map((port) => ({ address: '127.0.0.1', port })),
        }),
      },
    })),
  )
  const router = { route: (name: string | undefined) => (name === undefined ? undefined : table.find(name)) }
  const { port } = await engine.listenForPassthrough({ host: '127.0.0.1', port: 0, ...listen }, router)
  const open = async (): Promise<Socket> => {
    const socket = connectPlain({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  return {
    engine,
    port,
    plain: async () => new Peer(await open()),
    async client(servername, preface) {
      const socket = await open()
      if (preface !== undefined) socket.write(preface)
      const encrypted = connect({ socket, servername, ca })
      t.after(() => encrypted.destroy())
      await once(encrypted, 'secureConnect')
      return new Peer(encrypted)
    },
  }
}

/** Nothing is left, and nothing is counted as under way. */
async function isQuiet(engine: Engine): Promise<void> {
  await eventually(() => {
    const isOver = engine.upstreams.every(({ metrics }) => metrics.inFlight === 0)
    const inFlight = engine.upstreams.flatMap((upstream) => [...upstream.endpoints()].map((e) => e.balanced.inFlight))
    return isOver && engine.connections === 0 && inFlight.every((count) => count === 0) ? true : undefined
  })
}

test('connections go by the name that is asked for, and TLS ends at the endpoint', async (t) => {
  const certificates = await createCertificates(t)
  const a = await startTls(t, certificates, 'a.example')
  const b = await startTls(t, certificates, '*.b.example')
  const { client, engine } = await start(t, certificates.ca, { 'a.example': [a], '*.b.example': [b] })
  const peers: Peer[] = []
  for (const [name, want] of [
    ['a.example', 'a.example:a.example:'],
    ['x.b.example', '*.b.example:x.b.example:'],
  ] as const) {
    const peer = await client(name)
    peers.push(peer)
    await eventually(() => (peer.text === want ? true : undefined))
    peer.text = ''
    const big = 'z'.repeat(3_000_000)
    peer.send(big)
    await eventually(() => (peer.text === big ? true : undefined))
    peer.socket.end()
    await peer.closed()
  }
  await isQuiet(engine)
})

test('a hello in pieces of every size arrives as it was', async (t) => {
  const certificates = await createCertificates(t)
  const backend = await startBackend(t)
  const { plain, engine } = await start(t, certificates.ca, { 'a.example': [backend.port] })
  const name = Buffer.from('a.example')
  const sni = Buffer.concat([Buffer.from([0, 0, 0, name.length + 5, 0, name.length + 3, 0, 0, name.length]), name])
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 1),
    Buffer.from([0, 0, 2, 0x13, 1, 1, 0, 0, sni.length]),
    sni,
  ])
  const message = Buffer.concat([Buffer.from([1, 0, 0, body.length]), body])
  const hello = Buffer.concat([Buffer.from([22, 3, 1, 0, message.length]), message])
  for (const [n, size] of [1, 2, 7, 50, 1_000].entries()) {
    const peer = await plain()
    peer.socket.setNoDelay(true)
    for (let at = 0; at < hello.length; at += size) {
      peer.socket.write(hello.subarray(at, at + size))
      await new Promise((resolve) => setImmediate(resolve))
    }
    peer.send('more')
    const upstream = await backend.peer(n)
    await upstream.until(/more$/).then((text) => assert.equal(text, `${hello.toString('latin1')}more`))
    peer.socket.destroy()
    await upstream.ended()
    upstream.socket.destroy()
  }
  await isQuiet(engine)
})

test('what is no TLS, names nobody or somebody unknown is refused; the latter are told', async (t) => {
  const certificates = await createCertificates(t)
  const a = await startTls(t, certificates, 'a.example')
  const { client, plain, engine } = await start(t, certificates.ca, { 'a.example': [a] }, { headMs: 500 })
  await assert.rejects(client('unknown.example'), /unrecognized name/i)
  await assert.rejects(client(''), /unrecognized name/i)
  for (const given of [
    'GET / HTTP/1.1\r\n\r\n',
    '\x16\x03\x01\x00\x00',
    '\x16\x03\x01\x10\x00\x01\xff\xff\xff',
    '\x16\x03',
  ]) {
    const peer = await plain()
    peer.send(given)
    assert.equal(await peer.ended(), '')
  }
  assert.deepEqual(Object.fromEntries(engine.errors), {
    'no-route': 1,
    'no-server-name': 1,
    'no-tls': 1,
    'bad-client-hello': 1,
    'client-hello-too-long': 1,
    'no-client-hello': 1,
  })
  await isQuiet(engine)
})

test('an endpoint that cannot be reached is passed over; when none can, the client is told', async (t) => {
  const certificates = await createCertificates(t)
  const a = await startTls(t, certificates, 'a.example')
  const { client, engine } = await start(t, certificates.ca, {
    'a.example': [await deadPort(), a, await deadPort()],
    'dead.example': [await deadPort(), await deadPort()],
  })
  for (let i = 0; i < 5; i++) {
    const peer = await client('a.example')
    await eventually(() => (peer.text === 'a.example:a.example:' ? true : undefined))
    peer.socket.destroy()
  }
  await assert.rejects(client('dead.example'), /internal error/i)
  assert.equal(engine.upstreams[1]!.metrics.errors().get('connect-failed'), 1)
  await isQuiet(engine)
})

test('where the algorithm hashes, a connection goes by its client, or else by the server it asks for', async (t) => {
  const certificates = await createCertificates(t)
  const ports: number[] = []
  while (ports.length < 4) ports.push(await startTls(t, certificates, 'a.example'))
  for (const key of [undefined, { from: 'header', name: 'X-User' }] as const) {
    const upstreams = { algorithm: 'maglev', ...(key === undefined ? {} : { key }) } as const
    const { client, engine } = await start(t, certificates.ca, { 'a.example': ports }, {}, upstreams)
    for (let i = 0; i < 8; i++) await (await client('a.example')).until(/a\.example:a\.example:$/)
    const counts = [...engine.upstreams[0]!.endpoints()].map(({ balanced }) => balanced.inFlight)
    assert.deepEqual(
      counts.toSorted((x, y) => x - y),
      [0, 0, 0, 8],
    )
  }
  const key = new RequestKey({ from: 'address' }, () => 0)
  const keys = new Set(Array.from({ length: 100 }, (_, i) => key.ofConnection(`10.0.0.${i}`, 'a.example')))
  assert.equal(keys.size, 100)
})

test('PROXY headers are read before the hello and written before it', async (t) => {
  const certificates = await createCertificates(t)
  const ends = { source: { address: '203.0.113.9', port: 4711 }, destination: { address: '198.51.100.1', port: 443 } }
  const backend = await startBackend(t)
  const { client, plain, engine } = await start(
    t,
    certificates.ca,
    { 'a.example': [backend.port] },
    {},
    { proxyProtocol: 'v2' },
    { proxyProtocol: 'required' },
  )
  const refused = await plain()
  refused.send('\x16\x03\x01')
  assert.equal(await refused.ended(), '')
  const failed = client('a.example', writeProxyHeader('v1', ends))
  const upstream = await backend.peer(0)
  const reading = await eventually(() => {
    const read = readProxyHeader(Buffer.from(upstream.text, 'latin1'))
    return read.kind === 'read' && upstream.text.length > read.bytes ? read : undefined
  })
  assert.deepEqual(reading.ends, ends)
  assert.equal(upstream.text.charCodeAt(reading.bytes), 22)
  upstream.socket.resetAndDestroy()
  await assert.rejects(failed)
  await isQuiet(engine)
})

test('a side that reads slowly stops the other; breaks pass both ways; a drain lets connections go on', async (t) => {
  const certificates = await createCertificates(t)
  const a = await startTls(t, certificates, 'a.example')
  const { client, engine, plain } = await start(t, certificates.ca, { 'a.example': [a] })
  const peer = await client('a.example')
  await eventually(() => (peer.text === 'a.example:a.example:' ? true : undefined))
  peer.text = ''
  peer.socket.pause()
  const chunk = 'x'.repeat(1 << 20)
  for (let i = 0; i < 48; i++) peer.send(chunk)
  let before = -1
  await eventually(() => {
    const left = peer.socket.writableLength
    const isStill = left === before
    before = left
    return isStill && left > 0 ? true : undefined
  })
  const waiting = await plain()
  await eventually(() => (engine.connections === 2 ? true : undefined))
  const drained = engine.drain(20_000)
  assert.equal(await waiting.ended(), '', 'one that has said nothing ends at once')
  peer.socket.resume()
  await eventually(() => (peer.text.length === 48 << 20 ? true : undefined))
  peer.socket.destroy()
  await drained
  await isQuiet(engine)
})
