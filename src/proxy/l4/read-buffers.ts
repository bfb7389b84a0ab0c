export const SMALL_BYTES = 8 * 1024
export const LARGE_BYTES = 128 * 1024
/** So many reads in a row that fit the small buffer, and the large one goes back. */
const SMALL_READS = 16
const SPARE_SMALL_MAX = 1_024
const SPARE_LARGE_MAX = 64

const spareSmall: Buffer[] = []
const spareLarge: Buffer[] = []

function take(bytes: number): Buffer {
  const spare = bytes === SMALL_BYTES ? spareSmall : spareLarge
  return spare.pop() ?? Buffer.allocUnsafeSlow(bytes)
}

function giveBack(buffer: Buffer): void {
  if (buffer.length === SMALL_BYTES) {
    if (spareSmall.length < SPARE_SMALL_MAX) spareSmall.push(buffer)
  } else if (spareLarge.length < SPARE_LARGE_MAX) spareLarge.push(buffer)
}

/**
 * The memory one socket reads into: small while little arrives, so that idle connections cost little, and large while
 * reads fill it. It belongs to the socket alone, because a write that is still pending goes on reading from it, and so
 * that what came last can be looked at again.
 */
export class ReadBuffer {
  current: Buffer = take(SMALL_BYTES)
  #smallReads = 0
  #held = 0

  /** Tells how much the last read brought; call `next` when its bytes are no longer needed. */
  filled(bytes: number): void {
    this.#held = bytes
    if (bytes > SMALL_BYTES) this.#smallReads = 0
    else if (this.current.length === LARGE_BYTES) this.#smallReads += 1
    else if (bytes === SMALL_BYTES) this.#smallReads = -1
  }

  /** The buffer for the next read. */
  next(): Buffer {
    const { current } = this
    if (current.length === SMALL_BYTES ? this.#smallReads < 0 : this.#smallReads >= SMALL_READS) {
      this.current = take(current.length === SMALL_BYTES ? LARGE_BYTES : SMALL_BYTES)
      this.#smallReads = 0
      this.#held = 0
      giveBack(current)
    }
    return this.current
  }

  /** What the last read brought, until the next one; empty when its memory has been given back. */
  get last(): Uint8Array {
    return this.current.subarray(0, this.#held)
  }

  /** Once the socket and whatever was written from here are closed. */
  release(): void {
    giveBack(this.current)
  }
}
