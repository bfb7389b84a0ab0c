const BYTES = 64 * 1024
const SPARE_MAX = 64

/** Buffers for connections that carry much: those read into memory of their own, which is then written on uncopied. */
export class BulkBuffers {
  readonly #spare: Uint8Array[] = []

  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(BYTES)
  }

  giveBack(buffer: Uint8Array): void {
    if (this.#spare.length < SPARE_MAX) this.#spare.push(buffer)
  }
}
