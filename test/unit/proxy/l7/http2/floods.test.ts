import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_FLOOD_LIMITS, FloodGuard } from '../../../../../src/proxy/l7/http2/flood-guard.ts'
import * as f from '../../../../../src/proxy/l7/http2/frames.ts'
import { DEFAULT_HTTP2_SETTINGS } from '../../../../../src/proxy/l7/http2/http2-settings.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { answering, ok, startBackend, startProxy } from '../engine-fixture.ts'
import { block, data, fields, frame, GET, headers, openFrames, POST, uint32 } from './http2-fixture.ts'

const { resets, faults, idle } = DEFAULT_FLOOD_LIMITS
const times = (count: number, make: (i: number) => Uint8Array | readonly Uint8Array[]): Uint8Array =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)).flat() as Uint8Array[])
const id = (i: number): number => 2 * i + 1
const PING = frame(f.PING, 0, 0, Buffer.alloc(8))
/** More than is allowed, with what time adds while it is sent. */
const tooMany = ({ burst }: { readonly burst: number }): number => burst * 2 + 100

interface Flood {
  readonly name: string
  readonly given: Uint8Array
}

const bomb = (): Buffer => {
  const value = Buffer.alloc(4_000, 'v')
  const length = Buffer.from([0x7f, 0x80 | ((4_000 - 127) & 127), (4_000 - 127) >> 7])
  return Buffer.concat([block(GET), Buffer.from([0x40, 1, 0x61]), length, value, Buffer.alloc(8_000, 0xbe)])
}

/** Each costs its sender little and a server much. All of them end with ENHANCE_YOUR_CALM. */
const FLOODS: readonly Flood[] = [
  {
    name: 'rapid reset (CVE-2023-44487): requests that are taken back at once',
    given: times(tooMany(resets), (i) => [headers(id(i), GET), frame(f.RST_STREAM, 0, id(i), uint32(f.CANCEL))]),
  },
  {
    name: 'MadeYouReset (CVE-2025-8671): requests that the server is made to reset, by a window update of 0',
    given: times(tooMany(faults), (i) => [headers(id(i), GET), frame(f.WINDOW_UPDATE, 0, id(i), uint32(0))]),
  },
  {
    name: 'MadeYouReset: by a window beyond all windows',
    given: times(tooMany(faults), (i) => [headers(id(i), GET), frame(f.WINDOW_UPDATE, 0, id(i), uint32(0x7fff_ffff))]),
  },
  {
    name: 'MadeYouReset: by data after the end',
    given: times(tooMany(faults), (i) => [headers(id(i), GET), data(id(i), 'x')]),
  },
  {
    name: 'MadeYouReset: by a body that is too long',
    given: times(tooMany(faults), (i) => [
      headers(id(i), fields(POST, ['content-length', '1']), false),
      data(id(i), 'xx'),
    ]),
  },
  {
    name: 'malformed requests',
    given: times(tooMany(faults), (i) => headers(id(i), fields(GET, ['connection', 'x']))),
  },
  {
    name: 'streams beyond those that are allowed',
    given: times(tooMany(faults) + DEFAULT_HTTP2_SETTINGS.streamsMax, (i) => headers(id(i), POST, false)),
  },
  {
    name: 'HPACK bomb: requests of thousands of references',
    given: times(tooMany(faults), (i) => frame(f.HEADERS, 5, id(i), bomb())),
  },
  {
    name: 'CONTINUATION flood (CVE-2024-27983): a header block without an end',
    given: Buffer.concat([
      frame(f.HEADERS, 0, 1, block(GET)),
      times(200, () => frame(f.CONTINUATION, 0, 1, block([['x', 'y'.repeat(1_000)]]))),
    ]),
  },
  {
    name: 'CONTINUATION flood: of fragments with nothing in them',
    given: Buffer.concat([frame(f.HEADERS, 0, 1, block(GET)), times(1_000, () => frame(f.CONTINUATION, 0, 1))]),
  },
  { name: 'PING flood (CVE-2019-9512)', given: times(tooMany(idle), () => PING) },
  { name: 'SETTINGS flood (CVE-2019-9515)', given: times(tooMany(idle), () => frame(f.SETTINGS, 0, 0)) },
  { name: 'acknowledgements that nobody waits for', given: times(tooMany(idle), () => frame(f.SETTINGS, 1, 0)) },
  {
    name: 'PRIORITY flood (CVE-2019-9513)',
    given: times(tooMany(idle), (i) => frame(f.PRIORITY, 0, id(i), Buffer.concat([uint32(0), Buffer.from([i & 255])]))),
  },
  { name: 'WINDOW_UPDATE flood', given: times(tooMany(idle), () => frame(f.WINDOW_UPDATE, 0, 0, uint32(1))) },
  {
    name: 'empty DATA flood (CVE-2019-9518)',
    given: Buffer.concat([headers(1, POST, false), times(tooMany(idle), () => data(1, ''))]),
  },
  {
    name: 'DATA of padding alone',
    given: Buffer.concat([
      headers(1, POST, false),
      times(tooMany(idle), () => frame(f.DATA, f.PADDED, 1, Buffer.from([3, 0, 0, 0]))),
    ]),
  },
  { name: 'frames that nobody knows', given: times(tooMany(idle), () => frame(0xee, 0, 0)) },
  { name: 'GOAWAY, again and again', given: times(tooMany(idle), () => frame(f.GOAWAY, 0, 0, Buffer.alloc(8))) },
]

for (const { name, given } of FLOODS) {
  test(`a connection is ended for ${name}`, async (t) => {
    const backend = await startBackend(t)
    const { proxy } = await startProxy(t, [backend])
    const peer = await openFrames(t, proxy.port)
    peer.send(given)
    assert.equal(await peer.goneAway(), f.ENHANCE_YOUR_CALM)
    await peer.closed()
    await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
    assert.equal(proxy.engine.upstreams[0]!.metrics.inFlight, 0)
    const flood = [...proxy.engine.errors.keys()].find((code) => code.endsWith('-flood'))
    assert.notEqual(flood, undefined, 'it is counted')
  })
}

test('what real clients do is no flood: pings and window updates beside much traffic, some cancelled requests', async (t) => {
  const backend = await startBackend(
    t,
    answering(() => ok('x'.repeat(100))),
  )
  const { proxy } = await startProxy(t, [backend])
  const peer = await openFrames(t, proxy.port)
  let next = 0
  for (let round = 0; round < 60; round++) {
    const first = next
    for (let i = 0; i < 50; i++) {
      peer.send(headers(id(next++), GET), frame(f.WINDOW_UPDATE, 0, 0, uint32(100)), PING)
    }
    peer.send(headers(id(next), GET), frame(f.RST_STREAM, 0, id(next), uint32(f.CANCEL)))
    next++
    for (let i = first; i < next - 1; i++) await peer.ended(id(i))
    peer.frames.length = 0
  }
  assert.equal(peer.isClosed, false)
})

test('a client that takes nothing costs no more than what was on its way, and is not waited for', async (t) => {
  const backend = await startBackend(
    t,
    answering(() => ok('z'.repeat(20_000_000))),
  )
  const { proxy } = await startProxy(t, [backend], { bodyMs: 1_000 })
  const noWindow = Buffer.concat([Buffer.from([0, f.INITIAL_WINDOW_SIZE]), uint32(0)])
  const peer = await openFrames(t, proxy.port, noWindow)
  for (let i = 0; i < 3; i++) peer.send(headers(id(i), GET))
  for (let i = 0; i < 3; i++) assert.equal((await peer.head(id(i)))[':status'], '200')
  assert.equal(peer.body(1), '')
  for (const { socket } of backend.peers) assert.ok(socket.writableLength > 0, 'the endpoint has been stopped')
  for (let i = 0; i < 3; i++) assert.equal(await peer.reset(id(i)), f.INTERNAL_ERROR)
  await eventually(() => (proxy.engine.upstreams[0]!.metrics.inFlight === 0 ? true : undefined))
})

test('a client that asks for answers to pings and reads none is read no further, and cut off', async (t) => {
  const backend = await startBackend(t)
  const { proxy } = await startProxy(t, [backend], {
    bodyMs: 1_000,
    http2: { ...DEFAULT_HTTP2_SETTINGS, floods: { ...DEFAULT_FLOOD_LIMITS, idle: { burst: 1e9, perSecond: 1e9 } } },
  })
  const peer = await openFrames(t, proxy.port)
  peer.socket.pause()
  const pings = times(20_000, () => PING)
  for (let i = 0; i < 200; i++) peer.socket.write(pings)
  await eventually(() => (proxy.engine.connections === 0 ? true : undefined))
  assert.ok(peer.socket.bytesWritten > 0)
})

test('a guard allows its burst, then as much as time brings, and gives back for what is of use', () => {
  let nowMs = 0
  const limits = {
    resets: { burst: 3, perSecond: 1 },
    faults: { burst: 1, perSecond: 0 },
    idle: { burst: 4, perSecond: 0 },
    idlePerUseful: 2,
  }
  const guard = new FloodGuard(limits, () => nowMs)
  assert.deepEqual(
    [1, 2, 3, 4].map(() => guard.reset()),
    [true, true, true, false],
  )
  nowMs = 2_000
  assert.deepEqual(
    [1, 2, 3].map(() => guard.reset()),
    [true, true, false],
  )
  assert.deepEqual(
    [1, 2].map(() => guard.fault()),
    [true, false],
  )
  for (let i = 0; i < 100; i++) {
    guard.useful()
    assert.equal(guard.idle(), true)
  }
  assert.deepEqual([1, 2, 3, 4, 5].map(() => guard.idle()).lastIndexOf(true), 2)
})
