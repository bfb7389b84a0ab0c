import {
  ENABLE_CONNECT_PROTOCOL,
  ENABLE_PUSH,
  FRAME_HEAD_BYTES,
  INITIAL_WINDOW_SIZE,
  MAX_CONCURRENT_STREAMS,
  MAX_HEADER_LIST_SIZE,
  PREFACE,
  SETTINGS,
  WINDOW_BYTES,
  WINDOW_UPDATE,
  writeFrameHead,
  writeUint32,
} from './frames.ts'
import type { Http2Settings } from './http2-settings.ts'

const SETTING_BYTES = 6

/**
 * What a side says first on each of its connections: the preface, where it is the client, its settings, and the
 * connection's window. The same bytes for all of them, so that a connection that does nothing takes no memory for them.
 */
export function greeting(isServer: boolean, settings: Http2Settings, headBytesMax: number): Uint8Array {
  const own: readonly (readonly [number, number])[] = isServer
    ? [
        [MAX_CONCURRENT_STREAMS, settings.streamsMax],
        [ENABLE_CONNECT_PROTOCOL, 1],
      ]
    : [[ENABLE_PUSH, 0]]
  const values = [
    ...own,
    [INITIAL_WINDOW_SIZE, settings.streamWindowBytes] as const,
    [MAX_HEADER_LIST_SIZE, headBytesMax] as const,
  ]
  const preface = isServer ? new Uint8Array(0) : PREFACE
  const settingsBytes = values.length * SETTING_BYTES
  const out = new Uint8Array(preface.length + FRAME_HEAD_BYTES + settingsBytes + FRAME_HEAD_BYTES + 4)
  out.set(preface)
  let p = writeFrameHead(SETTINGS, 0, 0, settingsBytes, out, preface.length)
  for (const [name, value] of values) {
    out[p + 1] = name
    writeUint32(value, out, p + 2)
    p += SETTING_BYTES
  }
  const moreBytes = settings.connectionWindowBytes - WINDOW_BYTES
  if (moreBytes <= 0) return out.subarray(0, p)
  p = writeFrameHead(WINDOW_UPDATE, 0, 0, 4, out, p)
  writeUint32(moreBytes, out, p)
  return out
}
