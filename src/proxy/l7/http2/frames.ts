/** Frames, flags, settings and errors of RFC 9113. */
export const DATA = 0
export const HEADERS = 1
export const PRIORITY = 2
export const RST_STREAM = 3
export const SETTINGS = 4
export const PUSH_PROMISE = 5
export const PING = 6
export const GOAWAY = 7
export const WINDOW_UPDATE = 8
export const CONTINUATION = 9

export const ACK = 0x1
export const END_STREAM = 0x1
export const END_HEADERS = 0x4
export const PADDED = 0x8
export const HAS_PRIORITY = 0x20

export const HEADER_TABLE_SIZE = 1
export const ENABLE_PUSH = 2
export const MAX_CONCURRENT_STREAMS = 3
export const INITIAL_WINDOW_SIZE = 4
export const MAX_FRAME_SIZE = 5
export const MAX_HEADER_LIST_SIZE = 6
/** RFC 8441. */
export const ENABLE_CONNECT_PROTOCOL = 8

export const NO_ERROR = 0
export const PROTOCOL_ERROR = 1
export const INTERNAL_ERROR = 2
export const FLOW_CONTROL_ERROR = 3
export const STREAM_CLOSED = 5
export const FRAME_SIZE_ERROR = 6
export const REFUSED_STREAM = 7
export const CANCEL = 8
export const COMPRESSION_ERROR = 9
export const CONNECT_ERROR = 10
export const ENHANCE_YOUR_CALM = 11

export const FRAME_HEAD_BYTES = 9
/** What each side takes unless it says more; we never do. */
export const FRAME_BYTES_MAX = 16_384
/** Windows before anybody says otherwise. */
export const WINDOW_BYTES = 65_535
export const WINDOW_BYTES_MAX = 0x7fff_ffff

/** What a client begins with (RFC 9113 §3.4). */
export const PREFACE: Uint8Array = new Uint8Array(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'))

export function readUint32(b: Uint8Array, at: number): number {
  return b[at]! * 0x100_0000 + ((b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!)
}

export function writeUint32(value: number, out: Uint8Array, at: number): void {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
}

/** Writes a frame's head; returns where its payload begins. */
export function writeFrameHead(
  type: number,
  flags: number,
  streamId: number,
  payloadBytes: number,
  out: Uint8Array,
  at: number,
): number {
  out[at] = payloadBytes >>> 16
  out[at + 1] = payloadBytes >>> 8
  out[at + 2] = payloadBytes
  out[at + 3] = type
  out[at + 4] = flags
  writeUint32(streamId, out, at + 5)
  return at + FRAME_HEAD_BYTES
}
