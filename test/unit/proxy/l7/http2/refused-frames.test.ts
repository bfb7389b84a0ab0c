import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import * as f from '../../../../../src/proxy/l7/http2/frames.ts'
import { DEFAULT_HTTP2_SETTINGS as DEFAULT } from '../../../../../src/proxy/l7/http2/http2-settings.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { answering, ok, startBackend, startProxy } from '../engine-fixture.ts'
import { block, data, FramePeer, fields, frame, GET, headers, openFrames, POST, uint32 } from './http2-fixture.ts'

async function start(t: TestContext, settings?: Buffer<ArrayBuffer>): Promise<FramePeer> {
  const backend = await startBackend(
    t,
    answering(() => ok('hello')),
  )
  const { proxy } = await startProxy(t, [backend])
  return openFrames(t, proxy.port, settings)
}

interface Case {
  readonly name: string
  readonly given: readonly Uint8Array[]
  /** The connection ends with it, or only the stream does. */
  readonly want: { readonly connection: number } | { readonly stream: number; readonly code: number }
}

const setting = (name: number, value: number): Buffer => Buffer.concat([Buffer.from([0, name]), uint32(value)])
const EMPTY = Buffer.alloc(0)

/** RFC 9113, in the order of its sections; what h2spec asks for, and what real attacks have sent. */
const CASES: readonly Case[] = [
  // §4.1, §4.2
  {
    name: 'a frame larger than announced',
    given: [frame(f.DATA, 0, 1, Buffer.alloc(16_385))],
    want: { connection: f.FRAME_SIZE_ERROR },
  },
  // §4.3
  {
    name: 'a header block that cannot be read',
    given: [frame(f.HEADERS, 5, 1, Buffer.from([0xff, 0xff, 0xff]))],
    want: { connection: f.COMPRESSION_ERROR },
  },
  {
    name: 'another frame within a header block',
    given: [frame(f.HEADERS, 1, 1, block(GET)), frame(f.PING, 0, 0, Buffer.alloc(8))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'another stream within a header block',
    given: [frame(f.HEADERS, 1, 1, block(GET)), frame(f.CONTINUATION, 4, 3, EMPTY)],
    want: { connection: f.PROTOCOL_ERROR },
  },
  // §5.1
  { name: 'DATA on a stream nobody opened', given: [data(1, 'x')], want: { connection: f.PROTOCOL_ERROR } },
  {
    name: 'RST_STREAM on a stream nobody opened',
    given: [frame(f.RST_STREAM, 0, 1, uint32(8))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'WINDOW_UPDATE on a stream nobody opened',
    given: [frame(f.WINDOW_UPDATE, 0, 1, uint32(1))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'CONTINUATION without a header block',
    given: [frame(f.CONTINUATION, 4, 1, block(GET))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'DATA after the end of the request',
    given: [headers(1, GET), data(1, 'x')],
    want: { stream: 1, code: f.STREAM_CLOSED },
  },
  {
    name: 'HEADERS after the end of the request',
    given: [headers(1, GET), headers(1, [['x', 'y']])],
    want: { stream: 1, code: f.STREAM_CLOSED },
  },
  { name: 'a stream number of the server', given: [headers(2, GET)], want: { connection: f.PROTOCOL_ERROR } },
  {
    name: 'a stream number below the last one',
    given: [headers(5, GET), headers(3, GET)],
    want: { connection: f.STREAM_CLOSED },
  },
  // §5.3
  {
    name: 'a stream that depends on itself',
    given: [frame(f.HEADERS, 0x25, 1, Buffer.concat([uint32(1), Buffer.from([16]), block(GET)]))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'PRIORITY that depends on itself',
    given: [frame(f.PRIORITY, 0, 1, Buffer.concat([uint32(1), Buffer.from([16])]))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'PRIORITY of the wrong size',
    given: [frame(f.PRIORITY, 0, 1, uint32(1))],
    want: { connection: f.FRAME_SIZE_ERROR },
  },
  {
    name: 'PRIORITY for the connection',
    given: [frame(f.PRIORITY, 0, 0, Buffer.alloc(5))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  // §6.1, §6.2
  { name: 'DATA for the connection', given: [data(0, 'x')], want: { connection: f.PROTOCOL_ERROR } },
  {
    name: 'padding as long as its frame of data',
    given: [headers(1, POST, false), frame(f.DATA, 8, 1, Buffer.from([5, 0, 0, 0, 0]))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  { name: 'HEADERS for the connection', given: [headers(0, GET)], want: { connection: f.PROTOCOL_ERROR } },
  {
    name: 'padding longer than its frame of headers',
    given: [frame(f.HEADERS, 0xd, 1, Buffer.concat([Buffer.from([255]), block(GET)]))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  // §6.4 to §6.9
  {
    name: 'RST_STREAM for the connection',
    given: [frame(f.RST_STREAM, 0, 0, uint32(0))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'RST_STREAM of the wrong size',
    given: [headers(1, GET), frame(f.RST_STREAM, 0, 1, Buffer.alloc(3))],
    want: { connection: f.FRAME_SIZE_ERROR },
  },
  { name: 'SETTINGS for a stream', given: [frame(f.SETTINGS, 0, 1)], want: { connection: f.PROTOCOL_ERROR } },
  {
    name: 'SETTINGS of the wrong size',
    given: [frame(f.SETTINGS, 0, 0, Buffer.alloc(5))],
    want: { connection: f.FRAME_SIZE_ERROR },
  },
  {
    name: 'acknowledged SETTINGS with something in them',
    given: [frame(f.SETTINGS, 1, 0, Buffer.alloc(6))],
    want: { connection: f.FRAME_SIZE_ERROR },
  },
  {
    name: 'ENABLE_PUSH of 2',
    given: [frame(f.SETTINGS, 0, 0, setting(f.ENABLE_PUSH, 2))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'a window beyond all windows',
    given: [frame(f.SETTINGS, 0, 0, setting(f.INITIAL_WINDOW_SIZE, 0x8000_0000))],
    want: { connection: f.FLOW_CONTROL_ERROR },
  },
  {
    name: 'a frame size below the smallest',
    given: [frame(f.SETTINGS, 0, 0, setting(f.MAX_FRAME_SIZE, 16_383))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'a frame size beyond the largest',
    given: [frame(f.SETTINGS, 0, 0, setting(f.MAX_FRAME_SIZE, 0x100_0000))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'ENABLE_CONNECT_PROTOCOL of 2',
    given: [frame(f.SETTINGS, 0, 0, setting(f.ENABLE_CONNECT_PROTOCOL, 2))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'PUSH_PROMISE of a client',
    given: [headers(1, GET), frame(f.PUSH_PROMISE, 4, 1, uint32(2))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  { name: 'PING for a stream', given: [frame(f.PING, 0, 1, Buffer.alloc(8))], want: { connection: f.PROTOCOL_ERROR } },
  {
    name: 'PING of the wrong size',
    given: [frame(f.PING, 0, 0, Buffer.alloc(6))],
    want: { connection: f.FRAME_SIZE_ERROR },
  },
  {
    name: 'GOAWAY for a stream',
    given: [frame(f.GOAWAY, 0, 1, Buffer.alloc(8))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'WINDOW_UPDATE of 0 for the connection',
    given: [frame(f.WINDOW_UPDATE, 0, 0, uint32(0))],
    want: { connection: f.PROTOCOL_ERROR },
  },
  {
    name: 'WINDOW_UPDATE of 0 for a stream',
    given: [headers(1, POST, false), frame(f.WINDOW_UPDATE, 0, 1, uint32(0))],
    want: { stream: 1, code: f.PROTOCOL_ERROR },
  },
  {
    name: 'WINDOW_UPDATE of the wrong size',
    given: [frame(f.WINDOW_UPDATE, 0, 0, Buffer.alloc(3))],
    want: { connection: f.FRAME_SIZE_ERROR },
  },
  {
    name: 'a connection window beyond all windows',
    given: [frame(f.WINDOW_UPDATE, 0, 0, uint32(0x7fff_ffff))],
    want: { connection: f.FLOW_CONTROL_ERROR },
  },
  {
    name: 'a stream window beyond all windows',
    given: [headers(1, POST, false), frame(f.WINDOW_UPDATE, 0, 1, uint32(0x7fff_ffff))],
    want: { stream: 1, code: f.FLOW_CONTROL_ERROR },
  },
  // §8.1
  {
    name: 'trailers that do not end the stream',
    given: [headers(1, POST, false), headers(1, [['x', 'y']], false)],
    want: { stream: 1, code: f.PROTOCOL_ERROR },
  },
  {
    name: 'trailers with a pseudo-field',
    given: [headers(1, POST, false), headers(1, [[':path', '/x']])],
    want: { stream: 1, code: f.PROTOCOL_ERROR },
  },
  {
    name: 'trailers that say another length',
    given: [headers(1, POST, false), headers(1, [['content-length', '5']])],
    want: { stream: 1, code: f.PROTOCOL_ERROR },
  },
  {
    name: 'trailers that say another host',
    given: [headers(1, POST, false), headers(1, [['host', 'b']])],
    want: { stream: 1, code: f.PROTOCOL_ERROR },
  },
  {
    name: 'trailers that say who is asking',
    given: [headers(1, POST, false), headers(1, [['authorization', 'x']])],
    want: { stream: 1, code: f.PROTOCOL_ERROR },
  },
  {
    name: 'trailers that say another length, with an underscore',
    given: [headers(1, POST, false), headers(1, [['content_length', '5']])],
    want: { stream: 1, code: f.PROTOCOL_ERROR },
  },
  {
    name: 'a body longer than its Content-Length',
    given: [headers(1, fields(POST, ['content-length', '3']), false), data(1, 'four')],
    want: { stream: 1, code: f.PROTOCOL_ERROR },
  },
  {
    name: 'a body shorter than its Content-Length',
    given: [headers(1, fields(POST, ['content-length', '5']), false), data(1, 'four', true)],
    want: { stream: 1, code: f.PROTOCOL_ERROR },
  },
  {
    name: 'no body with a Content-Length',
    given: [headers(1, fields(POST, ['content-length', '5']))],
    want: { stream: 1, code: f.PROTOCOL_ERROR },
  },
]

for (const { name, given, want } of CASES) {
  test(`${name} ends the ${'connection' in want ? 'connection' : 'stream'}`, async (t) => {
    const peer = await start(t)
    peer.send(...given)
    if ('connection' in want) {
      assert.equal(await peer.goneAway(), want.connection)
      await peer.closed()
      return
    }
    assert.equal(await peer.reset(want.stream), want.code)
    peer.send(headers(101, GET))
    assert.equal((await peer.head(101))[':status'], '200', 'other streams go on')
  })
}

test('a preface that is none, and a first frame that is no SETTINGS, end the connection', async (t) => {
  const backend = await startBackend(t)
  const { proxy } = await startProxy(t, [backend])
  for (const given of [
    Buffer.concat([f.PREFACE, frame(f.PING, 0, 0, Buffer.alloc(8))]),
    Buffer.concat([f.PREFACE, frame(f.SETTINGS, 1, 0)]),
  ]) {
    const peer = new FramePeer(connect({ port: proxy.port, host: '127.0.0.1' }))
    t.after(() => peer.socket.destroy())
    peer.send(given)
    assert.equal(await peer.goneAway(), f.PROTOCOL_ERROR)
    await peer.closed()
  }
})

test('a preface in pieces is understood, and one that breaks off is HTTP/1.1 that cannot be read', async (t) => {
  const backend = await startBackend(
    t,
    answering(() => ok('hello')),
  )
  const { proxy, client } = await startProxy(t, [backend])
  const peer = new FramePeer(connect({ port: proxy.port, host: '127.0.0.1', noDelay: true }))
  t.after(() => peer.socket.destroy())
  for (const byte of f.PREFACE) {
    peer.send(Uint8Array.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  peer.send(frame(f.SETTINGS, 0, 0), headers(1, GET))
  assert.equal((await peer.head(1))[':status'], '200')
  const other = await client()
  other.send('PRI * HT')
  await new Promise((resolve) => setImmediate(resolve))
  other.send('XP/1.1\r\n\r\n')
  assert.match(await other.until(/\r\n\r\n/), /^HTTP\/1.1 400 /)
  const plain = await client()
  plain.send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
  assert.match(await plain.until(/hello$/), /^HTTP\/1.1 200 /)
})

test('what a client must be forgiven', async (t) => {
  const peer = await start(t)
  peer.send(
    frame(0x42, 0xff, 0, Buffer.from('unknown')),
    frame(f.SETTINGS, 0, 0, setting(0x42, 7)),
    frame(f.PRIORITY, 0, 9, Buffer.concat([uint32(0), Buffer.from([1])])),
    frame(f.PING, 0, 0, Buffer.from('12345678')),
    frame(
      f.HEADERS,
      0x2d,
      1,
      Buffer.concat([Buffer.from([3]), uint32(0), Buffer.from([16]), block(GET), Buffer.alloc(3)]),
    ),
    frame(f.WINDOW_UPDATE, 0x7, 0, uint32(5)),
  )
  assert.equal((await peer.head(1))[':status'], '200')
  await peer.ended(1)
  const pong = await peer.frame('pong', ({ type, flags }) => type === f.PING && flags === 1)
  assert.equal(pong.payload.toString(), '12345678')
  // What may still be on its way for a stream that is over.
  peer.send(frame(f.WINDOW_UPDATE, 0, 1, uint32(5)), frame(f.RST_STREAM, 0, 1, uint32(8)), headers(3, GET))
  assert.equal((await peer.head(3))[':status'], '200')
})

test('a header block in many fragments is put together', async (t) => {
  const peer = await start(t)
  const bytes = block(fields(GET, ['x-long', 'x'.repeat(500)]))
  const parts = [bytes.subarray(0, 1), bytes.subarray(1, 1), bytes.subarray(1, 200), bytes.subarray(200)]
  peer.send(
    frame(f.HEADERS, 1, 1, parts[0]),
    ...parts.slice(1).map((part, i) => frame(f.CONTINUATION, i === 2 ? 4 : 0, 1, part)),
  )
  assert.equal((await peer.head(1))[':status'], '200')
})

test('more than the window holds ends the stream, or the connection', async (t) => {
  const backend = await startBackend(t)
  const { proxy } = await startProxy(t, [backend], {
    http2: {
      streamsMax: 8,
      streamWindowBytes: 20_000,
      connectionWindowBytes: 70_000,
      floods: DEFAULT.floods,
      upstreamStreamsMax: 1,
    },
  })
  const peer = await openFrames(t, proxy.port)
  const part = Buffer.alloc(10_001)
  peer.send(headers(1, POST, false), data(1, part), data(1, part))
  assert.equal(await peer.reset(1), f.FLOW_CONTROL_ERROR)
  const many = await openFrames(t, proxy.port)
  for (let id = 1; id < 16; id += 2) many.send(headers(id, POST, false), data(id, Buffer.alloc(16_384)))
  assert.equal(await many.goneAway(), f.FLOW_CONTROL_ERROR)
})

test('streams beyond those that are allowed at once are refused', async (t) => {
  const backend = await startBackend(t)
  const { proxy } = await startProxy(t, [backend])
  const peer = await openFrames(t, proxy.port)
  const allowed = DEFAULT.streamsMax
  for (let i = 0; i <= allowed; i++) peer.send(headers(2 * i + 1, POST, false))
  assert.equal(await peer.reset(2 * allowed + 1), f.REFUSED_STREAM)
  await eventually(() => (proxy.engine.upstreams[0]!.metrics.inFlight === allowed ? true : undefined))
})

test('an answer before the end of the request stands; what is still sent is dropped for a while, then refused', async (t) => {
  const backend = await startBackend(
    t,
    answering(() => ok('early')),
  )
  const { proxy } = await startProxy(t, [backend], { lingerMs: 300 })
  const peer = await openFrames(t, proxy.port)
  peer.send(headers(1, POST, false), headers(3, POST, false))
  for (const id of [1, 3]) {
    await peer.ended(id)
    assert.equal(peer.body(id), 'early')
    peer.send(data(id, 'too late'))
  }
  peer.send(data(1, 'the end', true))
  assert.equal(await peer.reset(3), f.NO_ERROR)
  assert.equal(peer.frames.filter(({ type, streamId }) => type === f.RST_STREAM && streamId === 1).length, 0)
  peer.send(headers(5, GET))
  assert.equal((await peer.head(5))[':status'], '200')
})

test('what a stream that is given up had sent is not missing in the window of the others', async (t) => {
  const endpoints: FramePeer[] = []
  const noWindow = Buffer.concat([Buffer.from([0, f.INITIAL_WINDOW_SIZE]), uint32(0)])
  const server = createServer((socket) => {
    const endpoint = new FramePeer(socket, true)
    endpoints.push(endpoint)
    endpoint.send(frame(f.SETTINGS, 0, 0, noWindow))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const { socket } of endpoints) socket.destroy()
  })
  const { proxy } = await startProxy(
    t,
    [(server.address() as AddressInfo).port],
    { http2: { ...DEFAULT, connectionWindowBytes: 70_000 } },
    { protocol: 'h2c' },
  )
  const peer = await openFrames(t, proxy.port)
  for (let id = 1; id < 20; id += 2) {
    peer.send(headers(id, POST, false), ...[1, 2, 3].map(() => data(id, Buffer.alloc(16_000))))
    await eventually(() => (proxy.engine.upstreams[0]!.metrics.inFlight === 1 ? true : undefined))
    peer.send(frame(f.RST_STREAM, 0, id, uint32(f.CANCEL)))
    await eventually(() => (proxy.engine.upstreams[0]!.metrics.inFlight === 0 ? true : undefined))
  }
  peer.send(frame(f.PING, 0, 0, Buffer.alloc(8)))
  await peer.frame('pong', ({ type, flags }) => type === f.PING && flags === f.ACK)
})
