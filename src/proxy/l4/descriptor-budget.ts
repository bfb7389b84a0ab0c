/** How many file descriptors connections and sessions may take together; the rest is for listeners, the API and files. */
export class DescriptorBudget {
  readonly max: number
  #taken = 0

  constructor(max: number) {
    this.max = max
  }

  get taken(): number {
    return this.#taken
  }

  /** False, and nothing taken, when so many are not left. */
  take(count: number): boolean {
    if (this.#taken + count > this.max) return false
    this.#taken += count
    return true
  }

  giveBack(count: number): void {
    this.#taken -= count
  }
}
