import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type ClientHttp2Stream, connect, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import * as f from '../../../../../src/proxy/l7/http2/frames.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { get, startBackend, startProxy } from '../engine-fixture.ts'
import { type Fields, headers, openFrames } from './http2-fixture.ts'

interface EchoServer {
  readonly port: number
  readonly sockets: WebSocket[]
  readonly requests: Record<string, unknown>[]
}

async function startEcho(t: TestContext): Promise<EchoServer> {
  const server = createServer((_, response) => response.writeHead(404).end('no socket'))
  const sockets: WebSocket[] = []
  const requests: Record<string, unknown>[] = []
  const webSockets = new WebSocketServer({ server, path: '/echo' })
  webSockets.on('connection', (socket, request) => {
    sockets.push(socket)
    requests.push(request.headers)
    socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.terminate()
    webSockets.close()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, sockets, requests }
}

const CONNECT = {
  ':method': 'CONNECT',
  ':protocol': 'websocket',
  ':path': '/echo',
  'sec-websocket-version': '13',
}

async function open(t: TestContext, port: number, head: Record<string, string> = CONNECT): Promise<ClientHttp2Stream> {
  const session = connect(`http://127.0.0.1:${port}`)
  t.after(() => session.destroy())
  session.on('error', () => {})
  await once(session, 'remoteSettings')
  assert.equal(session.remoteSettings.enableConnectProtocol, true)
  const stream = session.request(head)
  stream.on('error', () => {})
  return stream
}

/** A frame of a client: masked, of a text (1), bytes (2) or the end (8). RFC 6455 §5.2. */
function masked(opcode: number, payload: Buffer): Buffer {
  const { length } = payload
  const head = length < 126 ? Buffer.from([0x80 | opcode, 0x80 | length]) : Buffer.alloc(length < 65_536 ? 4 : 10)
  if (length >= 126) {
    head[0] = 0x80 | opcode
    head[1] = 0x80 | (length < 65_536 ? 126 : 127)
    if (length < 65_536) head.writeUInt16BE(length, 2)
    else head.writeBigUInt64BE(BigInt(length), 2)
  }
  const mask = Buffer.from([1, 2, 3, 4])
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ mask[i & 3]!)])
}

test('a WebSocket over HTTP/2 reaches a server that knows it over HTTP/1.1', async (t) => {
  const echo = await startEcho(t)
  const { proxy } = await startProxy(t, [echo.port])
  const stream = await open(t, proxy.port)
  const [head] = await once(stream, 'response')
  assert.equal(head[':status'], 200)
  assert.equal(head['sec-websocket-accept'], undefined)
  assert.equal(head.upgrade, undefined)
  let got = Buffer.alloc(0)
  stream.on('data', (part: Buffer) => {
    got = Buffer.concat([got, part])
  })
  stream.write(masked(1, Buffer.from('hello')))
  await eventually(() => (got.length === 7 ? true : undefined))
  assert.equal(got.toString('latin1'), '\x81\x05hello')
  got = Buffer.alloc(0)
  const large = Buffer.alloc(3_000_000, 'q')
  stream.write(masked(2, large))
  await eventually(() => (got.length === large.length + 10 ? true : undefined))
  assert.ok(got.subarray(10).equals(large))
  assert.equal(echo.requests[0]!['x-forwarded-for'], '127.0.0.1')
  got = Buffer.alloc(0)
  const closed = once(stream, 'close')
  stream.write(masked(8, Buffer.from([3, 232])))
  await eventually(() => (got.length === 4 ? true : undefined))
  stream.end()
  await closed
  assert.equal(stream.rstCode, f.NO_ERROR)
  await eventually(() => (echo.sockets[0]!.readyState === WebSocket.CLOSED ? true : undefined))
})

test('a server that goes, and a client that resets, break the other side off', async (t) => {
  const echo = await startEcho(t)
  const { proxy } = await startProxy(t, [echo.port])
  const first = await open(t, proxy.port)
  await once(first, 'response')
  first.on('end', () => first.end())
  const closed = once(first.resume(), 'close')
  echo.sockets[0]!.terminate()
  await closed
  const second = await open(t, proxy.port)
  await once(second, 'response')
  second.close(f.CANCEL)
  await eventually(() => (echo.sockets[1]!.readyState === WebSocket.CLOSED ? true : undefined))
})

test('a server that refuses is heard', async (t) => {
  const echo = await startEcho(t)
  const { proxy } = await startProxy(t, [echo.port])
  const stream = await open(t, proxy.port, { ...CONNECT, ':path': '/elsewhere' })
  const [head] = await once(stream, 'response')
  assert.equal(head[':status'], 400)
})

const ASKED: Fields = [
  [':method', 'CONNECT'],
  [':protocol', 'websocket'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'a'],
  ['sec-websocket-version', '13'],
]

test('an answer that proves nothing opens no tunnel', async (t) => {
  const backend = await startBackend(t)
  const { proxy } = await startProxy(t, [backend])
  for (const [n, more] of ['', 'Sec-WebSocket-Accept: wrong\r\n'].entries()) {
    const peer = await openFrames(t, proxy.port)
    peer.send(headers(1, ASKED, false))
    const upstream = await backend.peer(n)
    const text = await upstream.until(/\r\n\r\n$/)
    assert.match(text, /^GET \/ HTTP\/1\.1\r\n/)
    assert.match(text, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/)
    assert.match(text, /\r\nSec-WebSocket-Key: [A-Za-z0-9+/]{22}==\r\n/)
    upstream.send(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`)
    assert.equal((await peer.head(1))[':status'], '502')
    await upstream.ended()
  }
})

test('a protocol that nobody is let change to is not passed on', async (t) => {
  const backend = await startBackend(t)
  const { proxy } = await startProxy(t, [backend])
  const peer = await openFrames(t, proxy.port)
  peer.send(headers(1, [ASKED[0]!, [':protocol', 'connect-udp'], ...ASKED.slice(2)], false))
  assert.equal((await peer.head(1))[':status'], '501')
  assert.equal(backend.peers.length, 0)
})

test('a WebSocket over HTTP/1.1 still goes the way it did', async (t) => {
  const echo = await startEcho(t)
  const { proxy } = await startProxy(t, [echo.port])
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/echo`)
  t.after(() => socket.terminate())
  await once(socket, 'open')
  socket.send('hi')
  const [message] = await once(socket, 'message')
  assert.equal(String(message), 'hi')
})

test('an endpoint that is spoken to in HTTP/2 is not asked for a WebSocket, and takes other requests afterwards', async (t) => {
  const asked: unknown[] = []
  let sessions = 0
  const server = createHttp2Server((request, response) => {
    asked.push(request.url)
    response.end('served')
  })
  server.on('session', (session) => {
    sessions++
    t.after(() => session.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { proxy, client } = await startProxy(t, [(server.address() as AddressInfo).port], {}, { protocol: 'h2c' })
  const peer = await client()
  peer.send(get('/socket', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
  const refused = await peer.until(/upgrade-unsupported\n$/)
  assert.match(refused, /^HTTP\/1\.1 501 /)
  assert.match(refused, /\r\nx-wherry-error: upgrade-unsupported\r\n/)
  const stream = await open(t, proxy.port)
  const [head] = (await once(stream, 'response')) as [Record<string, unknown>]
  assert.equal(head[':status'], 501)
  assert.equal(head['x-wherry-error'], 'upgrade-unsupported')
  const next = await client()
  next.send(get('/plain'))
  assert.match(await next.until(/served\r\n0\r\n\r\n$|served$/), /^HTTP\/1\.1 200 /)
  assert.deepEqual(asked, ['/plain'])
  assert.equal(sessions, 1)
})
