import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createServer, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { checkFiles } from '../../../../../src/proxy/l7/config/check-files.ts'
import { ConfiguredEngine } from '../../../../../src/proxy/l7/config/configured-engine.ts'
import type { BackendConfig, ListenerConfig, ProxyConfig } from '../../../../../src/proxy/l7/config/proxy-config.ts'
import { Engine } from '../../../../../src/proxy/l7/engine/engine.ts'
import { answering, get, ok, Peer, startBackend } from '../engine-fixture.ts'
import { createCertificates, type TestCertificates } from '../tls/certificates.ts'

const WEB: ListenerConfig = { name: 'web', host: '127.0.0.1', port: 0 }

function configOf(
  port: number,
  listener: Partial<ListenerConfig> = {},
  backend: Partial<BackendConfig> = {},
): ProxyConfig {
  return {
    listeners: [{ ...WEB, ...listener }],
    backends: [{ name: 'b', algorithm: 'round-robin', endpoints: [{ address: '127.0.0.1', port }], ...backend }],
    routes: [
      {
        name: 'r',
        backends: [{ upstream: 'b' }],
        ...(listener.tls === 'passthrough' ? { listeners: ['web'], hosts: ['*.example'] } : {}),
      },
    ],
  }
}

interface Fixture {
  readonly configured: ConfiguredEngine
  readonly warnings: string[]
  /** Takes the configuration over; returns the port. */
  follow(config: ProxyConfig): Promise<number>
  /** A connection whose requests are answered. */
  plain(port: number): Peer
  secure(port: number, ca: string, servername: string): Promise<Peer>
}

function start(t: TestContext): Fixture {
  const engine = new Engine()
  const warnings: string[] = []
  const configured = new ConfiguredEngine(engine, {
    reusePort: false,
    secret: 'hush',
    onWarning: (message) => warnings.push(message),
  })
  t.after(() => {
    configured.close()
    engine.destroy()
  })
  const peerOf = (socket: Peer['socket']): Peer => {
    t.after(() => socket.destroy())
    return new Peer(socket)
  }
  return {
    configured,
    warnings,
    async follow(config) {
      const prepared = await configured.prepare(config)
      configured.commit(prepared)
      return prepared.ports.web!
    },
    plain: (port) => peerOf(connect(port, '127.0.0.1')),
    async secure(port, ca, servername) {
      const socket = tlsConnect({ port, host: '127.0.0.1', ca, servername })
      const peer = peerOf(socket)
      await once(socket, 'secureConnect')
      return peer
    },
  }
}

async function backendAt(t: TestContext): Promise<number> {
  const { port } = await startBackend(
    t,
    answering((target) => ok(`<${target}>`)),
  )
  return port
}

/** A TLS server that asks its clients who they are and answers each request with what it saw. */
async function startTls(t: TestContext, certificates: TestCertificates, name: string): Promise<number> {
  const files = await certificates.issue(name, [name])
  const [cert, key] = await Promise.all([readFile(files.certificateFile), readFile(files.keyFile)])
  const sockets: TLSSocket[] = []
  const options = { cert, key, ca: certificates.ca, requestCert: true, rejectUnauthorized: false }
  const server = createServer(options, (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    const who = socket.authorized ? socket.getPeerCertificate().subject.CN : 'nobody'
    socket.on('data', () => socket.write(ok(`[${socket.servername} ${who}]`)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

test('a port begins to speak TLS, and stops, without a connection dropped', async (t) => {
  const { follow, plain, secure } = start(t)
  const certificates = await createCertificates(t)
  const tls = { certificates: [await certificates.issue('shop', ['shop.example'])] }
  const to = await backendAt(t)
  const port = await follow(configOf(to))
  const before = plain(port)
  before.send(get('/1'))
  await before.until(/<\/1>$/)

  assert.equal(await follow(configOf(to, { tls })), port)
  const encrypted = await secure(port, certificates.ca, 'shop.example')
  encrypted.send(get('/2'))
  await encrypted.until(/<\/2>$/)
  // The old one goes on, and follows what routes say now.
  before.send(get('/3'))
  await before.until(/<\/3>$/)
  const refused = plain(port)
  refused.send(get())
  await refused.closed()
  assert.equal(refused.text, '')

  await follow(configOf(to, { proxyProtocol: 'required' }))
  const headed = plain(port)
  headed.send(`PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${get('/4')}`)
  await headed.until(/<\/4>$/)
  for (const [peer, target] of [
    [before, '/5'],
    [encrypted, '/6'],
  ] as const) {
    peer.send(get(target))
    await peer.until(new RegExp(`<${target}>$`))
  }
})

test('a change that cannot be made leaves the port as it was', async (t) => {
  const { configured, follow, plain } = start(t)
  const to = await backendAt(t)
  const port = await follow(configOf(to))
  const tls = { certificates: [{ certificateFile: '/nowhere/a.pem', keyFile: '/nowhere/a.key' }] }
  await assert.rejects(configured.prepare(configOf(to, { tls })), { code: 'ENOENT' })
  await assert.rejects(
    configured.prepare(configOf(to, {}, { tls: { caFile: '/nowhere/ca.pem' } })),
    /tls of backend b: /,
  )
  const certificates = await createCertificates(t)
  const good = { certificates: [await certificates.issue('shop', ['shop.example'])] }
  await configured.abort(await configured.prepare(configOf(to, { tls: good })))
  const peer = plain(port)
  peer.send(get('/1'))
  await peer.until(/<\/1>$/)
})

test('connections of a listener that is gone end with what they are about', async (t) => {
  const { follow, plain } = start(t)
  let isHeld = true
  const backend = await startBackend(
    t,
    answering(
      (target) => ok(`<${target}>`),
      (peer) => isHeld && peer.text.includes('/slow'),
    ),
  )
  const port = await follow(configOf(backend.port))
  const [idle, busy] = [plain(port), plain(port)]
  idle.send(get('/1'))
  await idle.until(/<\/1>$/)
  busy.send(get('/slow'))
  await (await backend.peer(0)).until(/\/slow/).catch(() => backend.peer(1).then((peer) => peer.until(/\/slow/)))
  await follow({ ...configOf(backend.port), listeners: [{ ...WEB, name: 'other' }] })
  const late = plain(port)
  await late.closed()
  assert.equal(late.error?.code, 'ECONNREFUSED')
  await idle.ended()
  assert.ok(!busy.isEnded)
  isHeld = false
  for (const peer of backend.peers) if (!peer.isClosed) peer.send(ok('</slow>'))
  assert.match(await busy.ended(), /Connection: close[\s\S]*<\/slow>$/i)
})

test('endpoints are asked over TLS with a certificate of ours; other files count for new connections', async (t) => {
  const { follow, plain, configured } = start(t)
  const certificates = await createCertificates(t)
  const to = await startTls(t, certificates, 'bank.example')
  const nowMs = Date.now()
  const issue = async (commonName: string): Promise<{ readonly cert: string; readonly key: string }> =>
    certificates.authority.issue(
      { commonName, organizations: [], dnsNames: [], ipAddresses: [], usages: ['client'] },
      nowMs,
    )
  const [certificateFile, keyFile] = [`${certificates.caFile}.client`, `${certificates.caFile}.key`]
  const write = async ({ cert, key }: { readonly cert: string; readonly key: string }): Promise<void> => {
    await writeFile(`${keyFile}.new`, key)
    await writeFile(`${certificateFile}.new`, cert)
    await rename(`${keyFile}.new`, keyFile)
    await rename(`${certificateFile}.new`, certificateFile)
  }
  await write(await issue('proxy-1'))
  const tls = { caFile: certificates.caFile, serverName: 'bank.example', certificateFile, keyFile }
  const config = configOf(to, {}, { tls, timeouts: { idleMs: 1 } })
  const port = await follow(config)
  const peer = plain(port)
  peer.send(get())
  await peer.until(/\[bank\.example proxy-1\]$/)
  await write(await issue('proxy-2'))
  const { upstreams } = configured.engine
  const [upstream] = upstreams
  // As on SIGHUP: the same configuration, but not the same files.
  await follow(config)
  assert.equal(upstreams[0], upstream)
  for (;;) {
    const fresh = plain(port)
    fresh.send(get())
    if (/proxy-2\]$/.test(await fresh.until(/\[bank\.example proxy-\d\]$/))) break
  }
  assert.deepEqual(await checkFiles(config), [])
})

test('an endpoint that nobody vouches for is not spoken to, unless one asks for it', async (t) => {
  const { follow, plain } = start(t)
  const certificates = await createCertificates(t)
  const to = await startTls(t, certificates, 'bank.example')
  const port = await follow(configOf(to, {}, { tls: { serverName: 'bank.example' } }))
  const refused = plain(port)
  refused.send(get())
  assert.match(await refused.until(/\r\n\r\n/), /^HTTP\/1\.1 50\d /)
  await follow(configOf(to, {}, { tls: { serverName: 'bank.example', verifies: false } }))
  const trusting = plain(port)
  trusting.send(get())
  await trusting.until(/\[bank\.example nobody\]$/)
})

test('a listener passes TLS on by server name, with a PROXY header where one is wanted', async (t) => {
  const { follow, secure } = start(t)
  const certificates = await createCertificates(t)
  const to = await startTls(t, certificates, 'vault.example')
  const port = await follow(configOf(to, { tls: 'passthrough' }))
  const peer = await secure(port, certificates.ca, 'vault.example')
  peer.send('hello')
  await peer.until(/\[vault\.example nobody\]$/)
  await assert.rejects(secure(port, certificates.ca, 'vault.invalid'), /unrecognized name/)

  const plainEnd = await startBackend(t)
  await follow(configOf(plainEnd.port, { tls: 'passthrough' }, { proxyProtocol: 'v1' }))
  const hello = tlsConnect({ port, host: '127.0.0.1', ca: certificates.ca, servername: 'vault.example' })
  hello.on('error', () => {})
  t.after(() => hello.destroy())
  const arrived = await plainEnd.peer(0)
  const [header, rest] = (await arrived.until(/\r\n[\s\S]{5}/)).split('\r\n', 2)
  assert.match(header!, /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+$/)
  // A TLS record that holds a handshake.
  assert.equal(rest!.charCodeAt(0), 22)
  // The connection that was passed on before goes on.
  peer.send('again')
  await peer.until(/\[vault\.example nobody\]$/)
})

test('a port that passes TLS on can begin to serve HTTP: what was passed on goes on', async (t) => {
  const { follow, secure, plain } = start(t)
  const certificates = await createCertificates(t)
  const vault = await startTls(t, certificates, 'vault.example')
  const port = await follow(configOf(vault, { tls: 'passthrough' }))
  const tunnel = await secure(port, certificates.ca, 'vault.example')
  const to = await backendAt(t)
  await follow(configOf(to))
  const peer = plain(port)
  peer.send(get('/1'))
  await peer.until(/<\/1>$/)
  tunnel.send('hello')
  await tunnel.until(/\[vault\.example nobody\]$/)
  // And back: the HTTP connection ends, since no route leads its requests any more.
  await follow(configOf(vault, { tls: 'passthrough' }))
  await peer.ended()
})

test('what files hold is checked by path', async (t) => {
  const certificates = await createCertificates(t)
  const [one, two] = [
    await certificates.issue('one', ['one.example']),
    await certificates.issue('two', ['two.example']),
  ]
  const mixed = { certificateFile: one.certificateFile, keyFile: two.keyFile }
  const config = {
    ...configOf(1, { tls: { certificates: [one, mixed, { ...one, keyFile: '/nowhere/key' }] } }),
    backends: [
      { name: 'a', algorithm: 'random', endpoints: [], tls: { caFile: '/nowhere/ca' } },
      { name: 'b', algorithm: 'random', endpoints: [], tls: mixed },
    ],
  } as ProxyConfig
  const faults = await checkFiles(config)
  assert.deepEqual(
    faults.map(({ path }) => path),
    ['listeners[0].tls.certificates[1]', 'listeners[0].tls.certificates[2].key', 'backends.a.tls.ca', 'backends.b.tls'],
  )
  assert.match(faults[0]!.reason, /^is of no use: .*(mismatch|not match)/i)
  assert.equal(faults[1]!.reason, 'there is no file /nowhere/key')
})
