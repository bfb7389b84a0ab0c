/**
 * What the other side may still send, on one stream or on all together (RFC 9113 §5.2). What has gone on is given back
 * in steps of half the window, so that there is not a frame for every piece.
 */
export class ReceiveWindow {
  readonly #stepBytes: number
  #leftBytes: number
  #uncreditedBytes = 0

  /** `leftBytes`: what the other side begins with. `windowBytes`: what it is meant to have, of which half is a step. */
  constructor(leftBytes: number, windowBytes: number) {
    this.#leftBytes = leftBytes
    this.#stepBytes = windowBytes / 2
  }

  /** `bytes` came. False: more than was allowed. */
  take(bytes: number): boolean {
    this.#leftBytes -= bytes
    return this.#leftBytes >= 0
  }

  /** `bytes` have gone on. Returns by how much the other side is to be told that the window grows, 0: not yet. */
  credit(bytes: number): number {
    this.#uncreditedBytes += bytes
    if (this.#uncreditedBytes < this.#stepBytes) return 0
    const grownBytes = this.#uncreditedBytes
    this.#leftBytes += grownBytes
    this.#uncreditedBytes = 0
    return grownBytes
  }
}
