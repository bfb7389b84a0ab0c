const HEADER_BYTES = 8

export type OutputStream = 'stdout' | 'stderr'

/**
 * Takes Docker's framing apart: each frame has a header of eight bytes (stream 1 or 2, three zeros, length in network
 * order), then its bytes. What has come of a frame is handed on at once, without waiting for the rest. An unknown
 * stream counts as stdout.
 */
export class OutputFrames {
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerLength = 0
  #left = 0
  #stream: OutputStream = 'stdout'

  /** What this chunk holds of frames, in order; views of it, not copies. */
  push(chunk: Buffer): readonly { readonly stream: OutputStream; readonly bytes: Buffer }[] {
    const found: { readonly stream: OutputStream; readonly bytes: Buffer }[] = []
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) {
        const bytes = chunk.subarray(at, at + this.#left)
        at += bytes.length
        this.#left -= bytes.length
        found.push({ stream: this.#stream, bytes })
        continue
      }
      const copied = chunk.copy(this.#header, this.#headerLength, at, at + HEADER_BYTES - this.#headerLength)
      at += copied
      this.#headerLength += copied
      if (this.#headerLength < HEADER_BYTES) break
      this.#headerLength = 0
      this.#stream = this.#header[0] === 2 ? 'stderr' : 'stdout'
      this.#left = this.#header.readUInt32BE(4)
    }
    return found
  }
}
