import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { Agent, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { Engine, type EngineListener } from '../../../../../src/proxy/l7/engine/engine.ts'
import type { EngineSettings } from '../../../../../src/proxy/l7/engine/engine-settings.ts'
import { onlyRoute } from '../../../../../src/proxy/l7/engine/route.ts'
import type { TlsOptions } from '../../../../../src/proxy/l7/tls/tls-options.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { answering, get, ok, Peer, startBackend } from '../engine-fixture.ts'
import { createCertificates, type TestCertificates } from './certificates.ts'

const run = promisify(execFile)

interface Fixture {
  readonly engine: Engine
  readonly listener: EngineListener
  readonly port: number
  client(options?: ConnectionOptions): Promise<Peer & { readonly socket: TLSSocket }>
}

async function start(
  t: TestContext,
  certificates: TestCertificates,
  tls: TlsOptions,
  backendPort: number,
  settings: Partial<EngineSettings> = {},
): Promise<Fixture> {
  const engine = new Engine({ settings })
  t.after(() => engine.destroy())
  const upstream = engine.createUpstream({
    name: 'default',
    endpoints: [{ address: '127.0.0.1', port: backendPort }],
  })
  const listener = await engine.listen(
    { host: '127.0.0.1', port: 0, tls },
    onlyRoute({ id: 0, name: 'default', upstream }),
  )
  return {
    engine,
    listener,
    port: listener.port,
    async client(options = {}) {
      const defaults = { port: listener.port, host: '127.0.0.1', ca: certificates.ca, servername: 'a.example' }
      const half: { readonly allowHalfOpen: boolean } = { allowHalfOpen: true }
      const socket = connect({ ...half, ...defaults, ...options })
      t.after(() => socket.destroy())
      await once(socket, 'secureConnect')
      return new Peer(socket) as Peer & { readonly socket: TLSSocket }
    },
  }
}

const commonName = (socket: TLSSocket): unknown => socket.getPeerCertificate().subject.CN

test('a client gets the certificate for the name it asks for', async (t) => {
  const certificates = await createCertificates(t)
  const tls = {
    certificates: [
      await certificates.issue('default', ['default.example']),
      await certificates.issue('a', ['a.example', '*.a.example']),
      await certificates.issue('exact', ['exact.a.example']),
      { ...(await certificates.issue('named', [], 'named')), serverNames: ['Other.Example'] },
    ],
  }
  const backend = await startBackend(
    t,
    answering(() => ok('x')),
  )
  const { client } = await start(t, certificates, tls, backend.port)
  for (const [servername, want] of [
    ['a.example', 'a.example'],
    ['A.EXAMPLE', 'a.example'],
    ['b.a.example', 'a.example'],
    ['exact.a.example', 'exact.a.example'],
    ['c.b.a.example', 'default.example'],
    ['other.example', 'named'],
    ['unknown.example', 'default.example'],
    ['', 'default.example'],
  ] as const) {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const peer = await client({ servername, maxVersion, checkServerIdentity: () => undefined })
      assert.equal(commonName(peer.socket), want, servername)
      assert.equal(peer.socket.getProtocol(), maxVersion)
      peer.send(get())
      await peer.until(/\r\n\r\nx$/)
      peer.socket.destroy()
    }
  }
})

test('endpoints are told that it was https', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const backend = await startBackend(
    t,
    answering((_, head) => ok(head)),
  )
  const { client } = await start(t, certificates, { certificates: [files] }, backend.port)
  const peer = await client()
  peer.send(get('/', 'X-Forwarded-Proto: http\r\n'))
  const answer = await peer.until(/\r\n\r\nGET[\s\S]*Via/)
  assert.match(answer, /X-Forwarded-Proto: https\r\n/)
  assert.match(answer, /X-Forwarded-For: 127\.0\.0\.1\r\n/)
  assert.doesNotMatch(answer, /X-Forwarded-Proto: http\r\n/)
})

test('old versions, weak ciphers and protocols we do not speak are refused, plain HTTP and silence too', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const backend = await startBackend(
    t,
    answering(() => ok('x')),
  )
  const { client, port, engine } = await start(t, certificates, { certificates: [files] }, backend.port, {
    headMs: 1_000,
  })
  const refused: readonly ConnectionOptions[] = [
    { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' },
    { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' },
    { ALPNProtocols: ['http/0.9'] },
  ]
  for (const options of refused) await assert.rejects(client(options), /ssl|tls|ECONNRESET|disconnected/i)
  const newer = await client({ ALPNProtocols: ['h2', 'http/1.1'] })
  assert.equal(newer.socket.alpnProtocol, 'h2')
  newer.socket.destroy()
  const peer = await client({ ALPNProtocols: ['spdy/3', 'http/1.1'] })
  assert.equal(peer.socket.alpnProtocol, 'http/1.1')
  const { connect: connectPlain } = await import('node:net')
  for (const given of [get(), '']) {
    const plain = new Peer(connectPlain(port, '127.0.0.1'))
    t.after(() => plain.socket.destroy())
    if (given !== '') plain.send(given)
    await plain.closed()
    assert.doesNotMatch(plain.text, /HTTP/)
  }
  peer.socket.destroy()
  await eventually(() => (engine.connections === 0 ? true : undefined))
  assert.equal(engine.errors.get('tls-handshake-failed'), 5)
})

test('a client that goes before the handshake is over leaves nothing behind', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const backend = await startBackend(t)
  const { port, engine } = await start(t, certificates, { certificates: [files] }, backend.port, { headMs: 600_000 })
  const { connect: connectPlain } = await import('node:net')
  for (const given of ['', '\x16\x03\x01\x01\x00\x01']) {
    for (const goes of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const plain = connectPlain(port, '127.0.0.1')
      plain.on('error', () => {})
      t.after(() => plain.destroy())
      await once(plain, 'connect')
      if (given !== '') plain.write(given, 'latin1')
      await eventually(() => (engine.connections === 1 ? true : undefined))
      plain[goes]()
      await eventually(() => (engine.connections === 0 ? true : undefined), 10_000, `the end after ${goes}`)
    }
  }
})

test('a client that has ended still gets its answer', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const backend = await startBackend(t)
  const { client, engine } = await start(t, certificates, { certificates: [files] }, backend.port)
  const peer = await client()
  peer.socket.end(get())
  const upstream = await backend.peer(0)
  await upstream.until(/\r\n\r\n$/)
  // The proxy has seen the end once it has answered something else that came later.
  const other = await client()
  other.socket.destroy()
  await eventually(() => (engine.connections === 1 ? true : undefined))
  upstream.send(ok('late'))
  assert.match(await peer.ended(), /late$/)
  await eventually(() => (engine.connections === 0 ? true : undefined))
})

test('TLS 1.3 alone, where that is wanted', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const backend = await startBackend(t)
  const { client } = await start(t, certificates, { certificates: [files], minVersion: 'TLSv1.3' }, backend.port)
  await assert.rejects(client({ maxVersion: 'TLSv1.2' }))
  assert.equal((await client()).socket.getProtocol(), 'TLSv1.3')
})

/** Takes bodies of any size and sends them back; stops reading when nobody takes them. */
async function startEcho(t: TestContext): Promise<number> {
  const server = createServer((incoming, outgoing) => {
    incoming.pipe(outgoing)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

test('bodies of all sizes go both ways whole', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const { port, engine } = await start(t, certificates, { certificates: [files] }, await startEcho(t))
  const agent = new Agent({ keepAlive: true, ca: certificates.ca, servername: 'a.example' })
  t.after(() => agent.destroy())
  const echo = async (body: Buffer, isChunked: boolean): Promise<Buffer> => {
    const headers = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length }
    const sent = request({ agent, port, host: '127.0.0.1', method: 'POST', headers })
    sent.end(body)
    const [answer] = (await once(sent, 'response')) as [AsyncIterable<Buffer>]
    const parts: Buffer[] = []
    for await (const part of answer) parts.push(part)
    return Buffer.concat(parts)
  }
  const sizes = [0, 1, 1_000, 16_383, 16_384, 16_385, 65_536, 100_000, 3_000_000]
  for (const size of sizes) {
    const body = randomBytes(size)
    for (const isChunked of [false, true]) assert.ok((await echo(body, isChunked)).equals(body), `${size} bytes`)
  }
  const many = Array.from({ length: 20 }, (_, i) => randomBytes(1 + i * 7_919))
  const answers = await Promise.all(many.map((body, i) => echo(body, i % 2 === 0)))
  answers.forEach((answer, i) => {
    assert.ok(answer.equals(many[i]!))
  })
  agent.destroy()
  await eventually(() => (engine.connections === 0 ? true : undefined))
})

test('a client that reads slowly stops the endpoint', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const backend = await startBackend(t)
  const { client } = await start(t, certificates, { certificates: [files] }, backend.port)
  const peer = await client()
  peer.send(get())
  const upstream = await backend.peer(0)
  await upstream.until(/\r\n\r\n$/)
  peer.socket.pause()
  const chunk = 'x'.repeat(1 << 20)
  upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${64 << 20}\r\n\r\n`)
  for (let i = 0; i < 64; i++) upstream.send(chunk)
  let before = -1
  await eventually(() => {
    const left = upstream.socket.writableLength
    const isStill = left === before
    before = left
    return isStill && left > 0 ? true : undefined
  })
  assert.ok(before > 32 << 20, `${before} bytes were left with the endpoint`)
  peer.socket.resume()
  await eventually(() => (peer.text.length > 64 << 20 ? true : undefined))
  assert.equal(peer.text.length - peer.text.indexOf('\r\n\r\n') - 4, 64 << 20)
})

test('an endpoint that reads slowly stops the client', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const backend = await startBackend(t)
  const { client } = await start(t, certificates, { certificates: [files] }, backend.port)
  const peer = await client()
  peer.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 << 20}\r\n\r\n`)
  const upstream = await backend.peer(0)
  await upstream.until(/\r\n\r\n/)
  upstream.socket.pause()
  const chunk = 'x'.repeat(1 << 20)
  for (let i = 0; i < 64; i++) peer.send(chunk)
  let before = -1
  await eventually(() => {
    const left = peer.socket.writableLength
    const isStill = left === before
    before = left
    return isStill && left > 0 ? true : undefined
  })
  assert.ok(before > 32 << 20, `${before} bytes were left with the client`)
  upstream.socket.resume()
  await eventually(() => (upstream.text.length === 64 << 20 ? true : undefined))
  upstream.send(ok('done'))
  await peer.until(/done$/)
})

test('an upgraded connection passes bytes, ends and breaks through TLS', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const backend = await startBackend(t)
  const { client, engine } = await start(t, certificates, { certificates: [files] }, backend.port)
  const begin = async (n: number): Promise<readonly [Peer, Peer]> => {
    const peer = await client()
    peer.send(get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
    const upstream = await backend.peer(n)
    await upstream.until(/\r\n\r\n$/)
    upstream.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    await peer.until(/\r\n\r\n$/)
    return [peer, upstream]
  }
  const [peer, upstream] = await begin(0)
  const big = 'z'.repeat(3_000_000)
  peer.send(big)
  upstream.send(big)
  await eventually(() => (upstream.text === big && peer.text === big ? true : undefined))
  upstream.text = ''
  peer.socket.end('bye')
  assert.equal(await upstream.ended(), 'bye')
  upstream.socket.end()
  await peer.closed()
  const [broken, other] = await begin(1)
  other.socket.resetAndDestroy()
  await broken.closed()
  const [gone, last] = await begin(2)
  gone.socket.destroy()
  await last.ended()
  last.socket.end()
  await last.closed()
  await eventually(() => (engine.connections === 0 ? true : undefined))
})

test('a response that breaks off ends with a broken connection, not in order', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const backend = await startBackend(t)
  const { client, engine } = await start(t, certificates, { certificates: [files] }, backend.port)
  const peer = await client()
  peer.send(get())
  const upstream = await backend.peer(0)
  await upstream.until(/\r\n\r\n$/)
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart')
  await peer.until(/part$/)
  upstream.socket.destroy()
  await peer.closed()
  assert.equal(peer.isEnded, false)
  await eventually(() => (engine.connections === 0 ? true : undefined))
})

test('new certificates count for new connections while old ones go on, and nothing is lost under load', async (t) => {
  const certificates = await createCertificates(t)
  const tls: TlsOptions = { certificates: [await certificates.issue('a', ['a.example'], 'cert-0')], watchMs: 20 }
  const backend = await startBackend(
    t,
    answering((target) => ok(target)),
  )
  const { client, listener } = await start(t, certificates, tls, backend.port)
  const old = await client()
  assert.equal(commonName(old.socket), 'cert-0')
  let isOver = false
  let served = 0
  const seen = new Set<unknown>()
  const load = Array.from({ length: 4 }, async (_, worker) => {
    for (let i = 0; !isOver; i++) {
      const peer = await client()
      seen.add(commonName(peer.socket))
      for (let j = 0; j < 3; j++) {
        peer.send(get(`/${worker}-${i}-${j}`))
        await peer.until(new RegExp(`/${worker}-${i}-${j}$`))
        served++
      }
      peer.socket.destroy()
    }
  })
  try {
    for (let round = 1; round <= 3; round++) {
      await certificates.issue('a', ['a.example'], `cert-${round}`)
      if (round === 3) await listener.reloadCertificates()
      await eventually(() => (seen.has(`cert-${round}`) ? true : undefined))
    }
  } finally {
    isOver = true
    await Promise.all(load)
  }
  assert.deepEqual([...seen], ['cert-0', 'cert-1', 'cert-2', 'cert-3'])
  assert.ok(served > 20)
  old.send(get('/old'))
  await old.until(/\/old$/)
})

test('files that cannot be used leave the old certificate in place, and that is said once', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'], 'first')
  const other = await certificates.issue('b', ['b.example'], 'second')
  const failures: string[] = []
  const tls: TlsOptions = {
    certificates: [files],
    watchMs: 10,
    onReloadFailed: (error) => failures.push(error.message),
  }
  const backend = await startBackend(t)
  const { client, listener } = await start(t, certificates, tls, backend.port)
  await copyFile(other.keyFile, files.keyFile)
  await eventually(() => (failures.length > 0 ? true : undefined))
  await assert.rejects(listener.reloadCertificates(), /a\.crt with .*a\.key/)
  assert.equal(commonName((await client()).socket), 'first')
  await writeFile(files.certificateFile, 'nonsense')
  await eventually(() => (failures.length > 1 ? true : undefined))
  assert.equal(commonName((await client()).socket), 'first')
  await copyFile(other.certificateFile, files.certificateFile)
  await eventually(async () => {
    const { socket } = await client({ checkServerIdentity: () => undefined })
    return commonName(socket) === 'second' ? true : undefined
  })
  // One or two for a file that is seen half written.
  assert.ok(failures.length <= 4, failures.join('\n'))
})

test('a certificate that is not there keeps the port from opening', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const backend = await startBackend(t)
  const missing = { ...files, keyFile: `${files.keyFile}.missing` }
  await assert.rejects(start(t, certificates, { certificates: [files, missing] }, backend.port), /ENOENT/)
  await assert.rejects(start(t, certificates, { certificates: [] }, backend.port), /needs a certificate/)
})

test('curl gets its answers, large and small', async (t) => {
  if (await isMissing('curl')) return t.skip('there is no curl')
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const body = 'y'.repeat(2_000_000)
  const backend = await startBackend(
    t,
    answering((target) => ok(target === '/big' ? body : 'small')),
  )
  const { port } = await start(t, certificates, { certificates: [files] }, backend.port)
  const curl = async (path: string, ...more: readonly string[]): Promise<string> => {
    const { stdout } = await run(
      'curl',
      [
        ...['--silent', '--show-error', '--fail', '--max-time', '20', '--cacert', certificates.caFile, ...more],
        ...['--resolve', `a.example:${port}:127.0.0.1`, `https://a.example:${port}${path}`],
      ],
      { maxBuffer: 4_000_000 },
    )
    return stdout
  }
  assert.equal(await curl('/small'), 'small')
  assert.equal(await curl('/small', '--tls-max', '1.2'), 'small')
  assert.equal(await curl('/big'), body)
})

test('openssl s_client verifies the chain, resumes sessions, and cannot renegotiate', async (t) => {
  if (await isMissing('openssl')) return t.skip('there is no openssl')
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const backend = await startBackend(
    t,
    answering(() => ok('hello')),
  )
  const { port } = await start(t, certificates, { certificates: [files] }, backend.port)
  const client = async (input: string, until: RegExp, ...more: readonly string[]): Promise<string> => {
    const child = spawn('openssl', [
      ...['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'a.example', '-CAfile', certificates.caFile],
      ...more,
    ])
    t.after(() => child.kill('SIGKILL'))
    const all = (async () => {
      let text = ''
      const add = (part: Buffer): void => {
        text += part.toString('latin1')
      }
      child.stdout.on('data', add)
      child.stderr.on('data', add)
      child.stdin.on('error', () => {})
      child.stdin.write(input)
      await eventually(() => (until.test(text) || child.exitCode !== null ? true : undefined), 15_000, String(until))
      return text
    })()
    return all.finally(() => child.kill('SIGKILL'))
  }
  const verified = await client(get(), /hello$/, '-verify_return_error', '-verify_hostname', 'a.example')
  assert.match(verified, /Verify return code: 0 \(ok\)/)
  assert.match(verified, /hello/)
  const resumed = await client('', /(?:Reused, [\s\S]*){5}/, '-reconnect', '-tls1_2')
  assert.equal(resumed.match(/^Reused, /gm)?.length, 5)
  const renegotiated = await client('R\n', /no renegotiation/, '-tls1_2')
  assert.match(renegotiated, /no renegotiation/)
})

async function isMissing(program: string): Promise<boolean> {
  return run(program, [program === 'curl' ? '--version' : 'version']).then(
    () => false,
    () => true,
  )
}
