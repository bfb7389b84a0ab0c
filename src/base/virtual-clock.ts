import type { Clock, Millis, Timer } from './clock.ts'

interface Pending {
  readonly at: Millis
  readonly order: number
  readonly callback: () => void
}

/** A clock that moves only when told to; timers fire in order of time, then of creation. */
export class VirtualClock implements Clock {
  #now: Millis
  #order = 0
  readonly #pending = new Set<Pending>()

  constructor(startMs: Millis = Date.UTC(2026, 0, 1)) {
    this.#now = startMs
  }

  now(): Millis {
    return this.#now
  }

  monotonic(): Millis {
    return this.#now
  }

  setTimer(delayMs: Millis, callback: () => void): Timer {
    const pending: Pending = { at: this.#now + Math.max(0, delayMs), order: this.#order++, callback }
    this.#pending.add(pending)
    return { cancel: () => void this.#pending.delete(pending) }
  }

  /** Moves time forward, firing every timer on the way and letting promises settle after each. */
  async advance(ms: Millis): Promise<void> {
    const end = this.#now + ms
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#pending.delete(next)
      this.#now = next.at
      next.callback()
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#now = end
    await new Promise((resolve) => setImmediate(resolve))
  }

  #next(end: Millis): Pending | undefined {
    let best: Pending | undefined
    for (const p of this.#pending) {
      if (p.at > end) continue
      if (best === undefined || p.at < best.at || (p.at === best.at && p.order < best.order)) best = p
    }
    return best
  }
}
