/** Numbers from a range, each held by one owner at a time. Pure state: IO and locking are the caller's. */
export class NumberPool {
  readonly first: number
  readonly size: number
  /** The lower band is left for requested values as long as the upper one has room (KEP-3070, KEP-3668). */
  readonly #bandSize: number
  readonly #owners = new Map<number, string>()
  readonly #random: () => number

  constructor(first: number, size: number, bandSize: number, random: () => number) {
    this.first = first
    this.size = size
    this.#bandSize = Math.min(bandSize, size - 1)
    this.#random = random
  }

  contains(value: number): boolean {
    return value >= this.first && value < this.first + this.size
  }

  ownerOf(value: number): string | undefined {
    return this.#owners.get(value)
  }

  /** Takes this very number; false when another owner has it. Taking one's own again is fine. */
  take(value: number, owner: string): boolean {
    const holder = this.#owners.get(value)
    if (holder !== undefined && holder !== owner) return false
    this.#owners.set(value, owner)
    return true
  }

  /** Takes a free number, from the upper band if it has one; undefined when all are taken. */
  takeAny(owner: string): number | undefined {
    return (
      this.#search(this.first + this.#bandSize, this.size - this.#bandSize, owner) ??
      this.#search(this.first, this.#bandSize, owner)
    )
  }

  /** Gives a number back if this owner has it. */
  release(value: number, owner: string): void {
    if (this.#owners.get(value) === owner) this.#owners.delete(value)
  }

  /** All numbers that are held, with their owners. */
  held(): ReadonlyMap<number, string> {
    return this.#owners
  }

  #search(first: number, size: number, owner: string): number | undefined {
    const start = Math.floor(this.#random() * size)
    for (let i = 0; i < size; i++) {
      const value = first + ((start + i) % size)
      if (!this.#owners.has(value)) {
        this.#owners.set(value, owner)
        return value
      }
    }
    return undefined
  }
}

/** Size of the lower band: between 16 and 256 (for ports: 128), a sixteenth of the range (ports: a thirty-second). */
export function bandSize(size: number, divisor: number, most: number): number {
  return size <= 16 ? 0 : Math.min(most, Math.max(16, Math.floor(size / divisor)))
}
