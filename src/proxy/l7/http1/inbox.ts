const NOTHING = new Uint8Array(0)
const KEPT_BYTES_MIN = 1_024
const LF = 10

/**
 * Bytes of one connection that are yet to be read as messages: `bytes[at, end)`. They stand in the caller's buffer for
 * as long as one read lasts; what is left then is kept in memory of its own, which goes when all of it was read.
 */
export class Inbox {
  bytes: Uint8Array = NOTHING
  at = 0
  end = 0
  /** A line has ended since a reader last found too little here and set this to false. */
  hasNewLine = true
  #own: Uint8Array | undefined

  get size(): number {
    return this.end - this.at
  }

  feed(b: Uint8Array, start: number, end: number): void {
    if (this.at === this.end) {
      this.bytes = b
      this.at = start
      this.end = end
      this.hasNewLine = true
      return
    }
    const count = end - start
    const own = this.#room(this.end - this.at + count)
    own.set(b.subarray(start, end), this.end)
    if (!this.hasNewLine) this.hasNewLine = b.subarray(start, end).includes(LF)
    this.end += count
  }

  /** To be called before the buffer that was fed is filled anew. */
  keep(): void {
    const rest = this.end - this.at
    if (rest === 0) {
      this.#own = undefined
      this.bytes = NOTHING
      this.at = 0
      this.end = 0
    } else if (this.bytes !== this.#own) {
      this.#own = new Uint8Array(Math.max(KEPT_BYTES_MIN, rest * 2))
      this.#own.set(this.bytes.subarray(this.at, this.end))
      this.bytes = this.#own
      this.at = 0
      this.end = rest
    }
  }

  /** Own memory with `size` bytes of room from 0, what is left moved to its front. */
  #room(size: number): Uint8Array {
    this.keep()
    const own = this.#own!
    const rest = this.end - this.at
    if (own.length < size) {
      this.#own = new Uint8Array(size * 2)
      this.#own.set(own.subarray(this.at, this.end))
    } else if (this.at > 0) own.copyWithin(0, this.at, this.end)
    this.bytes = this.#own!
    this.at = 0
    this.end = rest
    return this.#own!
  }
}
