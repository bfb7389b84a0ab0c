/** So many of them are kept; what comes for older ones is no longer explained by having been on its way. */
const KEPT_MAX = 256

/** The streams that this side has reset lately: what was on its way for them is no fault. */
export class RecentResets {
  readonly #ids = new Set<number>()

  add(streamId: number): void {
    this.#ids.add(streamId)
    if (this.#ids.size <= KEPT_MAX) return
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest)
      return
    }
  }

  has(streamId: number): boolean {
    return this.#ids.has(streamId)
  }
}
