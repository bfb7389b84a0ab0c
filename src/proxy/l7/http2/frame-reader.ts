import { Inbox } from '../http1/inbox.ts'
import { FRAME_BYTES_MAX, FRAME_HEAD_BYTES, PREFACE, readUint32 } from './frames.ts'

/** More has to come first. */
export const NO_FRAME = 0
export const FRAME = 1
/** It does not begin as HTTP/2 does. */
export const BAD_PREFACE = 2
/** Longer than this side takes. */
export const FRAME_TOO_LONG = 3

const RESERVED_BIT = 0x7fff_ffff

/** Cuts what comes on a connection into frames, after the preface where one is due. Knows nothing of what they mean. */
export class FrameReader {
  // Of the frame that `next` has found; its payload is `bytes[start, end)` until the next call.
  type = 0
  flags = 0
  streamId = 0
  bytes: Uint8Array
  start = 0
  end = 0
  readonly #inbox = new Inbox()
  #isPrefaced: boolean

  /** `expectsPreface`: the other side is the client. */
  constructor(expectsPreface: boolean) {
    this.#isPrefaced = !expectsPreface
    this.bytes = this.#inbox.bytes
  }

  /** `b[0, count)` came; it is read by `next`, after which `keep` puts aside what is left. */
  feed(b: Uint8Array, count: number): void {
    this.#inbox.feed(b, 0, count)
  }

  /** To be called before the buffer that was fed is filled anew. */
  keep(): void {
    this.#inbox.keep()
    this.bytes = this.#inbox.bytes
  }

  /** What is left is of no interest any more. */
  drop(): void {
    this.#inbox.at = this.#inbox.end
  }

  next(): number {
    const inbox = this.#inbox
    if (!this.#isPrefaced) {
      if (inbox.size < PREFACE.length) return NO_FRAME
      if (!isPreface(inbox.bytes, inbox.at)) return BAD_PREFACE
      inbox.at += PREFACE.length
      this.#isPrefaced = true
    }
    if (inbox.size < FRAME_HEAD_BYTES) return NO_FRAME
    const { bytes: b, at } = inbox
    const length = (b[at]! << 16) | (b[at + 1]! << 8) | b[at + 2]!
    if (length > FRAME_BYTES_MAX) return FRAME_TOO_LONG
    if (inbox.size < FRAME_HEAD_BYTES + length) return NO_FRAME
    this.type = b[at + 3]!
    this.flags = b[at + 4]!
    this.streamId = readUint32(b, at + 5) & RESERVED_BIT
    this.bytes = b
    this.start = at + FRAME_HEAD_BYTES
    this.end = this.start + length
    inbox.at = this.end
    return FRAME
  }
}

function isPreface(b: Uint8Array, at: number): boolean {
  for (let i = 0; i < PREFACE.length; i++) if (b[at + i] !== PREFACE[i]) return false
  return true
}
