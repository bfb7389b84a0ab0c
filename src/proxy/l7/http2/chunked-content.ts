import { HEX } from '../http1/byte-classes.ts'

const SIZE = 0
const EXTENSION = 1
const DATA = 2
const DATA_END = 3
const TRAILERS = 4
const LF = 10
const CR = 13

/**
 * What is in the chunks of a body whose framing has been validated before: everything within the proxy is framed as
 * HTTP/1.1 has it, and frames of HTTP/2 are made of what is inside.
 */
export class ChunkedContent {
  isDone = false
  /** Where the content that `advance` went over stands; empty when there was none. */
  start = 0
  end = 0
  #state = SIZE
  #left = 0
  #trailers: number[] | undefined
  #lineBytes = 0

  /** Whole lines and an empty one; undefined: there are none. */
  get trailers(): Uint8Array | undefined {
    return this.#trailers !== undefined && this.#trailers.length > 2 ? Uint8Array.from(this.#trailers) : undefined
  }

  /** Goes over `b[at, end)` up to the end of a piece of content; returns how far. */
  advance(b: Uint8Array, at: number, end: number): number {
    let p = at
    this.start = this.end = p
    while (p < end && !this.isDone) {
      if (this.#state === DATA) {
        const count = Math.min(this.#left, end - p)
        this.#left -= count
        this.start = p
        this.end = p + count
        if (this.#left === 0) this.#state = DATA_END
        return p + count
      }
      this.#step(b[p++]!)
    }
    return p
  }

  #step(byte: number): void {
    if (this.#state === SIZE && HEX[byte] !== 255) this.#left = this.#left * 16 + HEX[byte]!
    else if (this.#state === SIZE || this.#state === EXTENSION) {
      this.#state = EXTENSION
      if (byte === LF) this.#state = this.#left === 0 ? TRAILERS : DATA
    } else if (this.#state === DATA_END) {
      if (byte === LF) this.#state = SIZE
    } else this.#stepTrailers(byte)
  }

  #stepTrailers(byte: number): void {
    this.#trailers ??= []
    this.#trailers.push(byte)
    if (byte === LF) {
      if (this.#lineBytes === 0) this.isDone = true
      this.#lineBytes = 0
    } else if (byte !== CR) this.#lineBytes++
  }
}
