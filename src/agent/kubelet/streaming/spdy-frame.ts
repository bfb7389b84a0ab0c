/** What a peer did that SPDY/3.1 does not allow; the session ends with it. */
export class SpdyError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'SpdyError'
  }
}

/** Control frames by their type (SPDY protocol, draft 3.1, §2.6). */
export const SPDY_TYPE = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const

/** Why a stream is reset (§2.6.3). */
export const SPDY_RESET = { protocolError: 1, invalidStream: 2, refusedStream: 3, cancel: 5, internalError: 6 } as const
export type SpdyReset = (typeof SPDY_RESET)[keyof typeof SPDY_RESET]

/** What comes out of the bytes. Data comes in pieces as it arrives; only the last piece of a frame carries its FIN. */
export type SpdyFrame =
  | { readonly kind: 'data'; readonly streamId: number; readonly data: Buffer; readonly fin: boolean }
  | { readonly kind: 'synStream'; readonly streamId: number; readonly block: Buffer; readonly fin: boolean }
  /** SYN_REPLY and HEADERS: of interest only because their block is part of the compressed stream. */
  | { readonly kind: 'headers'; readonly streamId: number; readonly block: Buffer; readonly fin: boolean }
  | { readonly kind: 'rstStream'; readonly streamId: number }
  | { readonly kind: 'ping'; readonly id: number }
  | { readonly kind: 'goAway' }
  | { readonly kind: 'ignored'; readonly type: number }

const VERSION = 3
const HEAD_BYTES = 8
/** A header block of kubectl has about 100 bytes. */
const CONTROL_BYTES_MAX = 16 * 1024
const FIN = 1
const EMPTY = Buffer.alloc(0)
/** Bytes before the block, by type. */
const BEFORE_BLOCK: Readonly<Record<number, number>> = { 1: 10, 2: 4, 8: 4 }

function streamIdAt(bytes: Buffer, offset: number): number {
  return bytes.readUInt32BE(offset) & 0x7fffffff
}

/** Reads frames from bytes cut anywhere. Holds at most one control frame; data passes through without a copy. */
export class SpdyFrameReader {
  /** The head of a frame or a control frame, as far as it has come. */
  #partial: Buffer = EMPTY
  #dataStreamId = 0
  #dataLeft = 0
  #dataFin = false;

  /** The frames that these bytes complete, in their order. Throws SpdyError. */
  *push(chunk: Buffer): Generator<SpdyFrame, void, undefined> {
    let bytes = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk])
    this.#partial = EMPTY
    while (bytes.length > 0) {
      if (this.#dataLeft > 0) {
        const data = bytes.subarray(0, this.#dataLeft)
        bytes = bytes.subarray(data.length)
        this.#dataLeft -= data.length
        yield { kind: 'data', streamId: this.#dataStreamId, data, fin: this.#dataFin && this.#dataLeft === 0 }
        continue
      }
      const isControl = (bytes[0]! & 0x80) !== 0
      const length = bytes.length < HEAD_BYTES ? 0 : bytes.readUIntBE(5, 3)
      if (bytes.length < HEAD_BYTES || (isControl && bytes.length < HEAD_BYTES + checkedLength(length))) {
        // Copied: the chunk may be large, and what is kept of it is not.
        this.#partial = Buffer.from(bytes)
        return
      }
      if (isControl) {
        yield controlFrame(bytes.subarray(0, HEAD_BYTES + length))
        bytes = bytes.subarray(HEAD_BYTES + length)
        continue
      }
      this.#dataStreamId = streamIdAt(bytes, 0)
      this.#dataFin = (bytes[4]! & FIN) !== 0
      this.#dataLeft = length
      bytes = bytes.subarray(HEAD_BYTES)
      if (length === 0) yield { kind: 'data', streamId: this.#dataStreamId, data: EMPTY, fin: this.#dataFin }
    }
  }
}

function checkedLength(length: number): number {
  if (length > CONTROL_BYTES_MAX)
    throw new SpdyError(`a control frame of ${length} bytes is more than ${CONTROL_BYTES_MAX}`)
  return length
}

function controlFrame(frame: Buffer): SpdyFrame {
  const version = frame.readUInt16BE(0) & 0x7fff
  if (version !== VERSION) throw new SpdyError(`a frame of SPDY version ${version}`)
  const type = frame.readUInt16BE(2)
  const fin = (frame[4]! & FIN) !== 0
  const payload = frame.subarray(HEAD_BYTES)
  const need = (bytes: number): void => {
    if (payload.length < bytes) throw new SpdyError(`a control frame of type ${type} has ${payload.length} bytes`)
  }
  switch (type) {
    case SPDY_TYPE.synStream:
    case SPDY_TYPE.synReply:
    case SPDY_TYPE.headers: {
      const before = BEFORE_BLOCK[type]!
      need(before)
      const kind = type === SPDY_TYPE.synStream ? 'synStream' : 'headers'
      return { kind, streamId: streamIdAt(payload, 0), block: payload.subarray(before), fin }
    }
    case SPDY_TYPE.rstStream:
      need(8)
      return { kind: 'rstStream', streamId: streamIdAt(payload, 0) }
    case SPDY_TYPE.ping:
      need(4)
      return { kind: 'ping', id: payload.readUInt32BE(0) }
    case SPDY_TYPE.goAway:
      return { kind: 'goAway' }
    default:
      return { kind: 'ignored', type }
  }
}

function control(type: number, payload: Buffer, flags = 0): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + payload.length)
  frame.writeUInt16BE(0x8000 | VERSION, 0)
  frame.writeUInt16BE(type, 2)
  frame.writeUInt8(flags, 4)
  frame.writeUIntBE(payload.length, 5, 3)
  payload.copy(frame, HEAD_BYTES)
  return frame
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i)
  return bytes
}

/** The longest that one data frame can be. */
export const DATA_BYTES_MAX = 2 ** 24 - 1

export function dataFrame(streamId: number, data: Uint8Array, fin: boolean): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + data.length)
  frame.writeUInt32BE(streamId, 0)
  frame.writeUInt8(fin ? FIN : 0, 4)
  frame.writeUIntBE(data.length, 5, 3)
  frame.set(data, HEAD_BYTES)
  return frame
}

/** `block` is a compressed header block. */
export function synReplyFrame(streamId: number, block: Buffer): Buffer {
  return control(SPDY_TYPE.synReply, Buffer.concat([words(streamId), block]))
}

/** What a client opens a stream with; ours never does but in tests. */
export function synStreamFrame(streamId: number, block: Buffer, fin = false): Buffer {
  return control(SPDY_TYPE.synStream, Buffer.concat([words(streamId, 0), Buffer.alloc(2), block]), fin ? FIN : 0)
}

export function rstStreamFrame(streamId: number, status: SpdyReset): Buffer {
  return control(SPDY_TYPE.rstStream, words(streamId, status))
}

export function pingFrame(id: number): Buffer {
  return control(SPDY_TYPE.ping, words(id))
}

/** Status 0: all is well; 1: the peer broke the protocol. */
export function goAwayFrame(lastStreamId: number, status: 0 | 1): Buffer {
  return control(SPDY_TYPE.goAway, words(lastStreamId, status))
}
