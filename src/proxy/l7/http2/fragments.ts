/** Of one header block; a block of 16 KiB needs one, and nobody sends it in tiny ones. */
const FRAGMENTS_MAX = 32

/** The pieces of a header block that came so far. What is kept is bounded (CVE-2024-27983). */
export class Fragments {
  readonly #bytesMax: number
  #parts: Uint8Array[] = []
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** False: it has become too much. */
  add(b: Uint8Array, start: number, end: number): boolean {
    this.#bytes += end - start
    this.#parts.push(b.slice(start, end))
    return this.#bytes <= this.#bytesMax && this.#parts.length <= FRAGMENTS_MAX
  }

  /** The whole block, after which the next one may begin. */
  take(): Uint8Array {
    const block = Buffer.concat(this.#parts, this.#bytes)
    this.clear()
    return block
  }

  clear(): void {
    this.#parts = []
    this.#bytes = 0
  }
}
