import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type ServerOptions } from 'node:https'
import { type AddressInfo, createServer as createPlainServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { UpstreamOptions } from '../../../../../src/proxy/l7/engine/upstream.ts'
import { readProxyHeader } from '../../../../../src/proxy/l7/proxy-protocol/read-proxy-header.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { get, Peer, type ProxyFixture, post, startBackend, startProxy } from '../engine-fixture.ts'
import { createCertificates, type TestCertificates } from './certificates.ts'

interface TlsBackend {
  readonly port: number
  readonly names: unknown[]
  /** The methods of all requests that came. */
  readonly requests: unknown[]
}

/** Sends bodies back, and says `hello` where there is none. */
async function startTlsBackend(
  t: TestContext,
  certificates: TestCertificates,
  name: string,
  options: ServerOptions = {},
): Promise<TlsBackend> {
  const files = await certificates.issue(name, [name])
  const [cert, key] = await Promise.all([readFile(files.certificateFile), readFile(files.keyFile)])
  const names: unknown[] = []
  const requests: unknown[] = []
  const server = createServer({ cert, key, ...options }, (incoming, outgoing) => {
    requests.push(incoming.method)
    if (incoming.method === 'POST') incoming.pipe(outgoing)
    else outgoing.end('hello')
  })
  server.on('secureConnection', (socket: TLSSocket) => names.push(socket.servername))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { port: (server.address() as AddressInfo).port, names, requests }
}

async function ask(fixture: ProxyFixture, request: string): Promise<string> {
  const peer = await fixture.client()
  peer.send(request)
  return peer.until(/\r\n\r\n[\s\S]+/)
}

test('endpoints are asked over TLS for the name that is set, and connections are used again', async (t) => {
  const certificates = await createCertificates(t)
  const backend = await startTlsBackend(t, certificates, 'b.example')
  const tls = { ca: certificates.ca, serverName: 'b.example' }
  const fixture = await startProxy(t, [backend.port], {}, { tls })
  const peer = await fixture.client()
  for (let i = 0; i < 3; i++) {
    peer.send(get())
    assert.match(await peer.until(/hello\r\n0\r\n\r\n$|hello$/), /^HTTP\/1\.1 200 /)
    peer.send(post('body'))
    await peer.until(/body/)
  }
  assert.deepEqual(backend.names, ['b.example'])
})

test('without a name the address is what the certificate must be for', async (t) => {
  const certificates = await createCertificates(t)
  const backend = await startTlsBackend(t, certificates, 'b.example')
  const fixture = await startProxy(t, [backend.port], {}, { tls: { ca: certificates.ca } })
  assert.match(await ask(fixture, get()), /hello/)
  assert.deepEqual(backend.names, [false])
})

const UNTRUSTED: readonly { readonly name: string; readonly tls: (ca: string) => UpstreamOptions['tls'] }[] = [
  { name: 'of an authority that is not trusted', tls: () => ({ serverName: 'b.example' }) },
  { name: 'for another name', tls: (ca) => ({ ca, serverName: 'c.example' }) },
]
for (const { name, tls } of UNTRUSTED) {
  test(`an endpoint with a certificate ${name} gets no request`, async (t) => {
    const certificates = await createCertificates(t)
    const backend = await startTlsBackend(t, certificates, 'b.example')
    const options = tls(certificates.ca)!
    for (const protocol of ['http1', 'auto'] as const) {
      const fixture = await startProxy(t, [backend.port], {}, { tls: options, protocol })
      for (const request of [get(), post('secret')]) {
        assert.match(await ask(fixture, request), /^HTTP\/1\.1 502 [\s\S]*x-wherry-error: certificate-rejected/)
      }
    }
    assert.deepEqual(backend.requests, [])
    const trusting = await startProxy(t, [backend.port], {}, { tls: { ...options, verifies: false } })
    assert.match(await ask(trusting, get()), /hello/)
  })
}

test('an endpoint that speaks no TLS, or too old a one, fails like one that cannot be reached', async (t) => {
  const certificates = await createCertificates(t)
  const plain = await startBackend(t, (peer) => peer.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'))
  const old = await startTlsBackend(t, certificates, 'b.example', {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  for (const port of [plain.port, old.port]) {
    const fixture = await startProxy(t, [port], {}, { tls: { ca: certificates.ca, serverName: 'b.example' } })
    assert.match(await ask(fixture, get()), /x-wherry-error: connect-failed/)
  }
  const silent = await startBackend(t)
  const fixture = await startProxy(t, [silent], { connectMs: 500 }, { tls: { ca: certificates.ca } })
  assert.match(await ask(fixture, get()), /x-wherry-error: connect-timeout/)
  await eventually(() => (fixture.proxy.engine.upstreams[0]!.metrics.inFlight === 0 ? true : undefined))
})

test('large bodies go both ways, and who reads slowly stops who sends', async (t) => {
  const certificates = await createCertificates(t)
  const backend = await startTlsBackend(t, certificates, 'b.example')
  const fixture = await startProxy(t, [backend.port], {}, { tls: { ca: certificates.ca } })
  const body = randomBytes(12_000_000).toString('hex')
  const peer = await fixture.client()
  peer.send(`POST / HTTP/1.0\r\nContent-Length: ${body.length}\r\n\r\n`)
  peer.socket.pause()
  for (let at = 0; at < body.length; at += 1_000_000) peer.send(body.slice(at, at + 1_000_000))
  let before = -1
  await eventually(() => {
    const left = peer.socket.writableLength
    const isStill = left === before
    before = left
    return isStill && left > 0 ? true : undefined
  })
  assert.ok(before > 8_000_000, `${before} bytes were left with the client`)
  peer.socket.resume()
  const text = await peer.ended()
  assert.ok(text.endsWith(body))
  assert.match(text, /^HTTP\/1\.1 200 /)
})

test('a PROXY header goes before TLS, unencrypted', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('b', ['b.example'])
  const [cert, key] = await Promise.all([readFile(files.certificateFile), readFile(files.keyFile)])
  const inner = createTlsServer({ cert, key }, (socket) => {
    const peer = new Peer(socket)
    void peer.until(/\r\n\r\n$/).then(() => peer.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'))
  })
  const headers: unknown[] = []
  const sockets: Socket[] = []
  const server = createPlainServer((socket) => {
    sockets.push(socket)
    let text = Buffer.alloc(0)
    const onData = (part: Buffer): void => {
      text = Buffer.concat([text, part])
      const reading = readProxyHeader(text)
      if (reading.kind !== 'read') return
      headers.push(reading.ends)
      socket.off('data', onData)
      socket.pause()
      socket.unshift(text.subarray(reading.bytes))
      inner.emit('connection', socket)
    }
    socket.on('data', onData)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as AddressInfo
  for (const proxyProtocol of ['v1', 'v2'] as const) {
    const fixture = await startProxy(t, [port], {}, { proxyProtocol, tls: { ca: certificates.ca } })
    const peer = await fixture.client()
    peer.send(get())
    await peer.until(/hello$/)
    assert.deepEqual(headers.at(-1), {
      source: { address: '127.0.0.1', port: peer.socket.localPort },
      destination: { address: '127.0.0.1', port: fixture.proxy.port },
    })
  }
})
