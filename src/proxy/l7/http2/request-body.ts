import type { RequestCarrier } from '../engine/request-carrier.ts'
import type { Wire } from '../engine/wire.ts'
import { copyBytes } from '../http1/copy-bytes.ts'
import { BY_LENGTH, CHUNKED, type Framing } from '../http1/framing.ts'
import { writeHex } from './write-hex.ts'

const NOTHING = new Uint8Array(0)
const CR = 13
const LF = 10
const ZERO = 48

/** A request's body on its way from frames of data to the framing of HTTP/1.1. */
export class RequestBody {
  /** What came so far. */
  bytes = 0
  /** All has come. */
  isOver = false
  readonly #framing: Framing
  readonly #length: number
  #trailers = NOTHING

  constructor(framing: Framing, contentLength: number) {
    this.#framing = framing
    this.#length = contentLength
  }

  /** `count` more came. False: it is not what `Content-Length` says (RFC 9113 §8.1.1). */
  takes(count: number, isLast: boolean): boolean {
    this.bytes += count
    if (this.#framing === CHUNKED) return true
    return isLast ? this.bytes === this.#length : this.bytes <= this.#length
  }

  /** All has come, and `text[0, trailerBytes)` with it. False: it is too little. */
  ends(text: Uint8Array, trailerBytes: number): boolean {
    this.isOver = true
    this.#trailers = text.slice(0, trailerBytes)
    return this.#framing === CHUNKED || this.bytes === this.#length
  }

  /** Hands over a part of it; `text`: memory to frame it in. Returns whether more must wait. */
  send(
    carrier: RequestCarrier,
    b: Uint8Array,
    start: number,
    end: number,
    from: Wire,
    text: Uint8Array,
    nowMs: number,
  ): boolean {
    if (this.#framing === BY_LENGTH) return carrier.appendBody(b, start, end, from, nowMs)
    let p = writeHex(end - start, text, 0)
    text[p++] = CR
    text[p++] = LF
    p = copyBytes(b, start, end, text, p)
    text[p++] = CR
    text[p++] = LF
    return carrier.appendBody(text, 0, p, from, nowMs)
  }

  finish(carrier: RequestCarrier, from: Wire, text: Uint8Array, nowMs: number): void {
    if (this.#framing !== CHUNKED) return
    text[0] = ZERO
    text[1] = CR
    text[2] = LF
    let p = copyBytes(this.#trailers, 0, this.#trailers.length, text, 3)
    text[p++] = CR
    text[p++] = LF
    carrier.appendBody(text, 0, p, from, nowMs)
  }
}
