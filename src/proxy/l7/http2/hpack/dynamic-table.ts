import type { HeaderEntry } from './header-entry.ts'

/** Entries, the latest first, the oldest going as room is needed (RFC 7541 §2.3.2, §4). */
export class DynamicTable {
  /** What it may hold now. */
  bytesMax: number
  #bytes = 0
  #count = 0
  /** Entries stand in a ring, a power of two long; the latest at `#latest`. */
  #ring: (HeaderEntry | undefined)[] = new Array<HeaderEntry | undefined>(16).fill(undefined)
  #latest = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  /** `at`: from 0, the latest; undefined beyond the oldest. */
  get(at: number): HeaderEntry | undefined {
    return at < this.#count ? this.#ring[(this.#latest - at) & (this.#ring.length - 1)] : undefined
  }

  /** One that is larger than the table empties it, and is not there afterwards. */
  add(entry: HeaderEntry): boolean {
    const { size } = entry
    this.#shrinkTo(this.bytesMax - size)
    if (size > this.bytesMax) return false
    if (this.#count === this.#ring.length) this.#grow()
    this.#latest = (this.#latest + 1) & (this.#ring.length - 1)
    this.#ring[this.#latest] = entry
    this.#count++
    this.#bytes += size
    return true
  }

  resize(bytesMax: number): void {
    this.bytesMax = bytesMax
    this.#shrinkTo(bytesMax)
  }

  #shrinkTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const at = (this.#latest - this.#count + 1) & (this.#ring.length - 1)
      this.#bytes -= this.#ring[at]!.size
      this.#ring[at] = undefined
      this.#count--
    }
  }

  #grow(): void {
    const entries = Array.from({ length: this.#count }, (_, i) => this.get(this.#count - 1 - i))
    this.#ring = [...entries, ...new Array<undefined>(this.#count).fill(undefined)]
    this.#latest = this.#count - 1
  }
}
