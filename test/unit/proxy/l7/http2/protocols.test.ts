import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createSecureServer } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { formatFault } from '../../../../../src/proxy/l7/config/config-faults.ts'
import { decodeProxyConfig } from '../../../../../src/proxy/l7/config/decode-proxy-config.ts'
import { Engine } from '../../../../../src/proxy/l7/engine/engine.ts'
import { onlyRoute } from '../../../../../src/proxy/l7/engine/route.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { answering, get, ok, startBackend, startProxy } from '../engine-fixture.ts'
import { createCertificates, type TestCertificates } from '../tls/certificates.ts'

const run = promisify(execFile)

async function isMissing(program: string): Promise<boolean> {
  return run(program, ['--version']).then(
    () => false,
    () => true,
  )
}

/** An endpoint that says by which protocol it was asked. */
async function startSecure(t: TestContext, certificates: TestCertificates, alpn: 'both' | 'http/1.1'): Promise<number> {
  const files = await certificates.issue('endpoint', ['endpoint.example'])
  const options = { cert: await readFile(files.certificateFile), key: await readFile(files.keyFile) }
  const answer = (request: { httpVersion: string }, response: { end(text: string): void }): void => {
    response.end(`by ${request.httpVersion}`)
  }
  const server =
    alpn === 'both' ? createSecureServer({ ...options, allowHTTP1: true }, answer) : createHttpsServer(options, answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const open = new Set<{ destroy(): void }>()
  server.on('secureConnection', (socket: { destroy(): void }) => open.add(socket))
  t.after(() => {
    server.close()
    for (const socket of open) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

const CASES = [
  { protocol: 'http1', alpn: 'both', want: /by 1\.1/ },
  { protocol: 'h2', alpn: 'both', want: /by 2\.0/ },
  { protocol: 'auto', alpn: 'both', want: /by 2\.0/ },
  { protocol: 'auto', alpn: 'http/1.1', want: /by 1\.1/ },
  { protocol: 'h2', alpn: 'http/1.1', want: /^HTTP\/1\.1 50[23] / },
] as const

for (const { protocol, alpn, want } of CASES) {
  test(`protocol ${protocol} to an endpoint that speaks ${alpn} over TLS`, async (t) => {
    const certificates = await createCertificates(t)
    const port = await startSecure(t, certificates, alpn)
    const { client } = await startProxy(
      t,
      [port],
      {},
      { protocol, tls: { ca: certificates.ca, serverName: 'endpoint.example' } },
    )
    const peer = await client()
    for (let i = 0; i < 3; i++) {
      peer.send(get())
      assert.match(await peer.until(/by \d\.\d(?:\r\n0\r\n\r\n)?$|wrong-protocol\n$|connect-failed\n$/), want)
    }
  })
}

const backend = (settings: object): object => ({
  listeners: ['127.0.0.1:8080'],
  backends: { web: { endpoints: ['127.0.0.1:9001'], ...settings } },
  routes: [{ backends: ['web'] }],
})

const CONFIGS = [
  { given: { protocol: 'spdy' }, want: [/^backends\.web\.protocol: must be one of http1, h2c, h2, auto/] },
  { given: { protocol: 'h2' }, want: [/^backends\.web\.protocol: h2 needs tls/] },
  { given: { protocol: 'h2c', tls: true }, want: [/^backends\.web\.protocol: h2c is without tls/] },
  { given: { protocol: 'h2c', proxyProtocol: 'v2' }, want: [/^backends\.web\.protocol: carries the requests of many/] },
  { given: { protocol: 'h2c' }, want: [] },
  { given: { protocol: 'h2', tls: true }, want: [] },
  { given: { protocol: 'auto' }, want: [] },
] as const

for (const { given, want } of CONFIGS) {
  test(`a backend's ${JSON.stringify(given)} is ${want.length === 0 ? 'understood' : 'refused'}`, () => {
    const decoded = decodeProxyConfig(backend(given))
    if (decoded.ok) {
      assert.deepEqual(want, [])
      assert.equal(decoded.config.backends[0]!.protocol, given.protocol)
      return
    }
    const faults = decoded.faults.map(formatFault)
    assert.equal(faults.length, want.length, faults.join('\n'))
    for (const [i, pattern] of want.entries()) assert.match(faults[i]!, pattern)
  })
}

test('curl speaks HTTP/2 by ALPN and by its preface, and HTTP/1.1, on the same ports; it may not upgrade', async (t) => {
  if (await isMissing('curl')) return t.skip('there is no curl (Debian: curl)')
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const large = 'y'.repeat(2_000_000)
  const server = await startBackend(
    t,
    answering((target) => ok(target === '/big' ? large : 'small')),
  )
  const engine = new Engine()
  t.after(() => engine.destroy())
  const upstream = engine.createUpstream({ name: 'u', endpoints: [{ address: '127.0.0.1', port: server.port }] })
  const router = onlyRoute({ id: 0, name: 'r', upstream })
  const where = { host: '127.0.0.1', port: 0 }
  const plain = await engine.listen(where, router)
  const secure = await engine.listen({ ...where, tls: { certificates: [files] } }, router)
  const old = await engine.listen({ ...where, http2: false }, router)
  const curl = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run(
      'curl',
      [
        '-s',
        '-S',
        '-m',
        '20',
        '--cacert',
        certificates.caFile,
        '--resolve',
        `a.example:${secure.port}:127.0.0.1`,
        ...args,
      ],
      { maxBuffer: 4_000_000 },
    )
    return stdout
  }
  const version = ['-o', '/dev/null', '-w', '%{http_version} %{http_code}']
  const https = `https://a.example:${secure.port}`
  const http = `http://127.0.0.1:${plain.port}`
  assert.equal(await curl(...version, '--http2', https), '2 200')
  assert.equal(await curl(...version, '--http1.1', https), '1.1 200')
  assert.equal(await curl(...version, '--http2-prior-knowledge', http), '2 200')
  assert.equal(await curl(...version, http), '1.1 200')
  assert.equal(await curl(...version, '--http2', http), '1.1 200', 'an upgrade to h2c is passed over')
  assert.equal(await curl('--http2', `${https}/big`), large)
  assert.equal(await curl('--http2-prior-knowledge', '--data-binary', `@${files.certificateFile}`, http), 'small')
  await assert.rejects(curl('--http2-prior-knowledge', `http://127.0.0.1:${old.port}`))
})

test('h2load gets an answer for each of its requests', async (t) => {
  if (await isMissing('h2load')) return t.skip('there is no h2load (Debian: nghttp2-client)')
  const server = await startBackend(
    t,
    answering(() => ok('x'.repeat(1_000))),
  )
  const { proxy } = await startProxy(t, [server])
  const { stdout } = await run('h2load', ['-n', '5000', '-c', '8', '-m', '32', `http://127.0.0.1:${proxy.port}/`])
  assert.match(stdout, /status codes: 5000 2xx, 0 3xx, 0 4xx, 0 5xx/)
  assert.match(stdout, /5000 succeeded, 0 failed, 0 errored, 0 timeout/)
  await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
})

test('every byte that may be in a value arrives as it was, in whatever code node:http2 sends it', async (t) => {
  const server = await startBackend(
    t,
    answering((_, head) => ok(/x-all: (.*)/.exec(head)?.[1] ?? '')),
  )
  const { proxy } = await startProxy(t, [server])
  const all = `a${Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')}z`
  const session = connect(`http://127.0.0.1:${proxy.port}`)
  t.after(() => session.destroy())
  for (let i = 0; i < 3; i++) {
    const stream = session.request({ ':path': '/', 'x-all': all })
    let body = ''
    stream.on('data', (part) => {
      body += part
    })
    await once(stream, 'end')
    assert.equal(body, all)
  }
})

test('a drained engine serves what is under way, refuses nothing that was on its way, and closes', async (t) => {
  const held = await startBackend(t)
  const { proxy } = await startProxy(t, [held])
  const session = connect(`http://127.0.0.1:${proxy.port}`)
  t.after(() => session.destroy())
  const stream = session.request({ ':path': '/slow' })
  const upstream = await held.peer(0)
  await upstream.until(/\r\n\r\n$/)
  const closed = once(session, 'close')
  const drained = proxy.close(10_000)
  await once(session, 'goaway')
  upstream.send(ok('in time'))
  let body = ''
  for await (const part of stream) body += part
  assert.equal(body, 'in time')
  await closed
  await drained
  assert.equal(proxy.engine.connections, 0)
})

test('a PROXY header before the preface says who the client is', async (t) => {
  const server = await startBackend(
    t,
    answering((_, head) => ok(/X-Forwarded-For: (.*)/.exec(head)?.[1] ?? '')),
  )
  const engine = new Engine()
  t.after(() => engine.destroy())
  const upstream = engine.createUpstream({ name: 'u', endpoints: [{ address: '127.0.0.1', port: server.port }] })
  const router = onlyRoute({ id: 0, name: 'r', upstream })
  const { port } = await engine.listen({ host: '127.0.0.1', port: 0, proxyProtocol: 'required' }, router)
  const socket = connectTcp({ port, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  socket.write('PROXY TCP4 203.0.113.9 203.0.113.1 4000 80\r\n')
  const session = connect('http://a', { createConnection: () => socket })
  t.after(() => session.destroy())
  const stream = session.request({ ':path': '/' })
  let body = ''
  for await (const part of stream) body += part
  assert.equal(body, '203.0.113.9')
})
