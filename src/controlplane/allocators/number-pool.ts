interface Holding {
  readonly owner: string
  /** How often the owner has taken it: once for what is stored, once for each write under way. */
  times: number
}

/**
 * Numbers from a range, each held by one owner at a time. An owner may take a number several times and has it until it
 * has given it back as often, so that a failed write never gives back what another one needs. Pure state: IO is the
 * caller's.
 */
export class NumberPool {
  readonly first: number
  readonly size: number
  /** The lower band is left for requested values as long as the upper one has room (KEP-3070, KEP-3668). */
  readonly #bandSize: number
  readonly #holdings = new Map<number, Holding>()
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
    return this.#holdings.get(value)?.owner
  }

  /** Takes this very number, once more if the owner has it already; false when another has it. */
  take(value: number, owner: string): boolean {
    const holding = this.#holdings.get(value)
    if (holding === undefined) this.#holdings.set(value, { owner, times: 1 })
    else if (holding.owner === owner) holding.times += 1
    else return false
    return true
  }

  /** Takes a free number, from the upper band if it has one; undefined when all are taken. */
  takeAny(owner: string): number | undefined {
    return (
      this.#search(this.first + this.#bandSize, this.size - this.#bandSize, owner) ??
      this.#search(this.first, this.#bandSize, owner)
    )
  }

  /** Gives a number back once, if this owner has it; true when it is free now. */
  release(value: number, owner: string): boolean {
    const holding = this.#holdings.get(value)
    if (holding?.owner !== owner) return false
    holding.times -= 1
    if (holding.times > 0) return false
    return this.#holdings.delete(value)
  }

  /** Frees a number whoever has it, however often. */
  forget(value: number): void {
    this.#holdings.delete(value)
  }

  /** All numbers that are held, with their owners. */
  held(): ReadonlyMap<number, { readonly owner: string; readonly times: number }> {
    return this.#holdings
  }

  #search(first: number, size: number, owner: string): number | undefined {
    const start = Math.floor(this.#random() * size)
    for (let i = 0; i < size; i++) {
      const value = first + ((start + i) % size)
      if (!this.#holdings.has(value)) {
        this.#holdings.set(value, { owner, times: 1 })
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
