import type { Millis } from '../../../base/clock.ts'

/** Which lost nodes may have their pods evicted: one after the other in each zone, at the zone's rate. */
export class EvictionTurns {
  readonly #granted = new Set<string>()
  /** By zone; at most one turn is saved up. `at` is monotonic. */
  readonly #turns = new Map<string, { readonly left: number; readonly at: Millis }>()

  has(node: string): boolean {
    return this.#granted.has(node)
  }

  /** Gives the node its turn if the zone has one left; it keeps it until it is withdrawn. */
  ask(node: string, zone: string, perSecond: number, now: Millis): boolean {
    if (this.#granted.has(node)) return true
    const known = this.#turns.get(zone) ?? { left: 1, at: now }
    const left = Math.min(1, known.left + ((now - known.at) / 1000) * perSecond)
    const granted = perSecond > 0 && left >= 1
    this.#turns.set(zone, { left: granted ? left - 1 : left, at: now })
    if (granted) this.#granted.add(node)
    return granted
  }

  withdraw(node: string): void {
    this.#granted.delete(node)
  }

  withdrawAll(): void {
    this.#granted.clear()
  }
}
