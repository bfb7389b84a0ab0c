/**
 * A quantile of the latest counts (small whole numbers) added, kept up to date as they come: constant time on average,
 * nothing allocated. Counts above `most` are taken for `most`.
 */
export class SlidingQuantile {
  readonly #quantile: number
  readonly #latest: Uint16Array
  readonly #times: Uint16Array
  #added = 0
  #answer = 0
  /** How many of the latest are at most `#answer`. */
  #covered = 0

  /** `quantile` 0 to 1; `size` is how many of the latest count. */
  constructor(quantile: number, size: number, most = 1_023) {
    this.#quantile = quantile
    this.#latest = new Uint16Array(size)
    this.#times = new Uint16Array(most + 1)
  }

  add(count: number): void {
    const value = Math.min(count, this.#times.length - 1)
    const slot = this.#added % this.#latest.length
    if (this.#added >= this.#latest.length) {
      const gone = this.#latest[slot]!
      this.#times[gone]! -= 1
      if (gone <= this.#answer) this.#covered -= 1
    }
    this.#added += 1
    this.#latest[slot] = value
    this.#times[value]! += 1
    if (value <= this.#answer) this.#covered += 1
    const wanted = Math.ceil(this.#quantile * Math.min(this.#added, this.#latest.length))
    while (this.#covered < wanted) this.#covered += this.#times[++this.#answer]!
    while (this.#answer > 0 && this.#covered - this.#times[this.#answer]! >= wanted) {
      this.#covered -= this.#times[this.#answer--]!
    }
  }

  /** The smallest count that at least the quantile's part of the latest do not exceed; 0 before the first. */
  value(): number {
    return this.#answer
  }
}
