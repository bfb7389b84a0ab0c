import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import type { ListenerOptions } from '../../../../../src/proxy/l7/engine/listener-options.ts'
import { writeProxyHeader } from '../../../../../src/proxy/l7/proxy-protocol/write-proxy-header.ts'
import { type HttpProxy, startHttpProxy } from '../../../../../src/proxy/l7/standalone.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { answering, get, ok, Peer, startBackend } from '../engine-fixture.ts'
import { createCertificates } from '../tls/certificates.ts'

const ENDS = { source: { address: '203.0.113.9', port: 4711 }, destination: { address: '198.51.100.1', port: 443 } }
const ENDS_V6 = { source: { address: '2001:db8::9', port: 4711 }, destination: { address: '2001:db8::1', port: 443 } }

async function start(t: TestContext, listen: ListenerOptions, headMs = 10_000): Promise<HttpProxy> {
  const backend = await startBackend(
    t,
    answering((_, head) =>
      ok(/X-Forwarded-For: (.*)\r\nX-Forwarded-Proto: (.*)\r\n/.exec(`${head}\r\n`)!.slice(1).join(' ')),
    ),
  )
  const proxy = await startHttpProxy({
    listen: { host: '127.0.0.1', port: 0, ...listen },
    endpoints: [{ address: '127.0.0.1', port: backend.port }],
    settings: { headMs },
  })
  t.after(() => proxy.close())
  return proxy
}

async function plain(t: TestContext, port: number): Promise<Peer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return new Peer(socket)
}

test('the client’s address is the one in the PROXY header, whatever the split', async (t) => {
  const proxy = await start(t, { proxyProtocol: 'required' })
  for (const version of ['v1', 'v2'] as const) {
    for (const [ends, want] of [
      [ENDS, '203.0.113.9 http'],
      [ENDS_V6, '2001:db8::9 http'],
      [undefined, '127.0.0.1 http'],
    ] as const) {
      const bytes = Buffer.concat([writeProxyHeader(version, ends), Buffer.from(get())])
      for (const cut of [0, 1, 5, 13, 16, 20, bytes.length - 3]) {
        const peer = await plain(t, proxy.port)
        peer.socket.write(bytes.subarray(0, cut))
        // So that it is read by itself.
        await new Promise((resolve) => setImmediate(resolve))
        peer.socket.write(bytes.subarray(cut))
        await peer.until(new RegExp(`\r\n\r\n${want}$`))
        peer.send(get('/again'))
        await peer.until(new RegExp(`\r\n\r\n${want}$`))
        peer.socket.destroy()
      }
    }
  }
  await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
})

test('nobody gets in without a PROXY header where it is required, nor by one where it is not', async (t) => {
  const required = await start(t, { proxyProtocol: 'required' }, 500)
  const header = writeProxyHeader('v1', ENDS).toString('latin1')
  for (const given of [get(), `PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n${get()}`, `\x16\x03\x01${header}`]) {
    const peer = await plain(t, required.port)
    peer.send(given)
    assert.equal(await peer.ended(), '')
  }
  const silent = await plain(t, required.port)
  silent.send(header.slice(0, 20))
  assert.equal(await silent.ended(), '', 'it had to come in time')
  const gone = await plain(t, required.port)
  gone.send(header.slice(0, 20))
  gone.socket.end()
  await gone.closed()
  await eventually(() => (required.engine.connections === 0 ? true : undefined))
  assert.deepEqual(Object.fromEntries(required.engine.errors), { 'no-proxy-header': 3, 'bad-proxy-protocol': 1 })

  const off = await start(t, {})
  for (const version of ['v1', 'v2'] as const) {
    const peer = await plain(t, off.port)
    peer.socket.write(writeProxyHeader(version, ENDS))
    peer.send(get())
    assert.match(await peer.ended(), /^HTTP\/1\.1 400 /)
  }
})

test('a second PROXY header is no request', async (t) => {
  const proxy = await start(t, { proxyProtocol: 'required' })
  const peer = await plain(t, proxy.port)
  peer.socket.write(Buffer.concat([writeProxyHeader('v2', ENDS), writeProxyHeader('v1', ENDS_V6), Buffer.from(get())]))
  assert.match(await peer.ended(), /^HTTP\/1\.1 400 /)
})

test('the PROXY header comes before TLS, also in one piece with what follows it', async (t) => {
  const certificates = await createCertificates(t)
  const files = await certificates.issue('a', ['a.example'])
  const proxy = await start(t, { proxyProtocol: 'required', tls: { certificates: [files] } })
  for (const version of ['v1', 'v2'] as const) {
    for (const isCorked of [true, false]) {
      const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
      t.after(() => socket.destroy())
      await once(socket, 'connect')
      if (isCorked) socket.cork()
      socket.write(writeProxyHeader(version, ENDS))
      const tls = connectTls({ socket, servername: 'a.example', ca: certificates.ca })
      t.after(() => tls.destroy())
      setImmediate(() => socket.uncork())
      await once(tls, 'secureConnect')
      const peer = new Peer(tls)
      for (let i = 0; i < 3; i++) {
        peer.send(get())
        await peer.until(/\r\n\r\n203\.0\.113\.9 https$/)
      }
      tls.end()
      await peer.closed()
    }
  }
  await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
})

test('a drain closes connections whose header has not come', async (t) => {
  const proxy = await start(t, { proxyProtocol: 'required' })
  const peer = await plain(t, proxy.port)
  peer.send('PROXY ')
  await eventually(() => (proxy.engine.connections === 1 ? true : undefined))
  await proxy.close(5_000)
  assert.equal(await peer.ended(), '')
  assert.equal(proxy.engine.connections, 0)
})
