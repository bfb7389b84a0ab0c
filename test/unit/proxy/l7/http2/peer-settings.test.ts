import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ENABLE_CONNECT_PROTOCOL,
  ENABLE_PUSH,
  FLOW_CONTROL_ERROR,
  INITIAL_WINDOW_SIZE,
  MAX_CONCURRENT_STREAMS,
  MAX_FRAME_SIZE,
  NO_ERROR,
  PROTOCOL_ERROR,
} from '../../../../../src/proxy/l7/http2/frames.ts'
import { PeerSettings } from '../../../../../src/proxy/l7/http2/peer-settings.ts'

test('before anything is said, windows are 65535 bytes and streams are not limited', () => {
  const peer = new PeerSettings(true)
  assert.equal(peer.windowBytes, 65_535)
  assert.equal(peer.streamsMax, Number.POSITIVE_INFINITY)
})

test('what is said holds', () => {
  const peer = new PeerSettings(true)
  assert.equal(peer.take(INITIAL_WINDOW_SIZE, 0x7fff_ffff), NO_ERROR)
  assert.equal(peer.take(MAX_CONCURRENT_STREAMS, 0), NO_ERROR)
  assert.equal(peer.windowBytes, 0x7fff_ffff)
  assert.equal(peer.streamsMax, 0)
})

test('values that RFC 9113 and RFC 8441 forbid end the connection and change nothing', () => {
  const forbidden = [
    [INITIAL_WINDOW_SIZE, 0x8000_0000, FLOW_CONTROL_ERROR],
    [MAX_FRAME_SIZE, 16_383, PROTOCOL_ERROR],
    [MAX_FRAME_SIZE, 0x100_0000, PROTOCOL_ERROR],
    [ENABLE_PUSH, 2, PROTOCOL_ERROR],
    [ENABLE_CONNECT_PROTOCOL, 2, PROTOCOL_ERROR],
  ] as const
  const peer = new PeerSettings(true)
  for (const [name, value, error] of forbidden) assert.equal(peer.take(name, value), error, `${name}=${value}`)
  assert.equal(peer.windowBytes, 65_535)
  for (const value of [16_384, 0xff_ffff]) assert.equal(peer.take(MAX_FRAME_SIZE, value), NO_ERROR)
})

test('a client may say that it takes pushes, a server may not', () => {
  assert.equal(new PeerSettings(true).take(ENABLE_PUSH, 1), NO_ERROR)
  assert.equal(new PeerSettings(false).take(ENABLE_PUSH, 1), PROTOCOL_ERROR)
  assert.equal(new PeerSettings(false).take(ENABLE_PUSH, 0), NO_ERROR)
})

test('settings that nobody here knows mean nothing', () => {
  assert.equal(new PeerSettings(false).take(0xf000, 0xffff_ffff), NO_ERROR)
})
