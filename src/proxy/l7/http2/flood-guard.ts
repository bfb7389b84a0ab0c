import type { Millis } from '../../../base/clock.ts'

/** A number of events that may come at once, and how many more each second. */
interface Allowance {
  readonly burst: number
  readonly perSecond: number
}

/** What a peer may do on one connection before it is asked to calm down. */
export interface FloodLimits {
  /** Streams that it resets before they have ended (CVE-2023-44487). nghttp2: 1,000 and 33 a second. */
  readonly resets: Allowance
  /** Streams that we reset because of what it sent (CVE-2025-8671), refused ones, malformed requests. */
  readonly faults: Allowance
  /**
   * Frames that bring nothing forward: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, DATA without content, unknown ones
   * (CVE-2019-9511 to 9518). Each frame that does allows for some more of them, since window updates follow data.
   */
  readonly idle: Allowance
  readonly idlePerUseful: number
}

export const DEFAULT_FLOOD_LIMITS: FloodLimits = {
  resets: { burst: 1_000, perSecond: 33 },
  faults: { burst: 100, perSecond: 5 },
  idle: { burst: 1_000, perSecond: 200 },
  idlePerUseful: 4,
}

const RESETS = 0
const FAULTS = 1
const IDLE = 2

/**
 * Counts what only serves to keep this side busy, in leaky buckets. The clock is looked at only when a bucket seems
 * empty, so that ordinary traffic costs a subtraction.
 */
export class FloodGuard {
  readonly #allowances: readonly Allowance[]
  readonly #idlePerUseful: number
  readonly #now: () => Millis
  readonly #left: Float64Array
  readonly #filledAtMs: Float64Array

  constructor(limits: FloodLimits, now: () => Millis) {
    this.#allowances = [limits.resets, limits.faults, limits.idle]
    this.#idlePerUseful = limits.idlePerUseful
    this.#now = now
    this.#left = Float64Array.from(this.#allowances, ({ burst }) => burst)
    this.#filledAtMs = new Float64Array(this.#allowances.length).fill(now())
  }

  /** False, as of the others: that was too much. */
  reset(): boolean {
    return this.#take(RESETS)
  }

  fault(): boolean {
    return this.#take(FAULTS)
  }

  idle(): boolean {
    return this.#take(IDLE)
  }

  /** A request, a response, a part of a body. */
  useful(): void {
    const left = this.#left[IDLE]! + this.#idlePerUseful
    this.#left[IDLE] = Math.min(left, this.#allowances[IDLE]!.burst)
  }

  #take(kind: number): boolean {
    if (this.#left[kind]! < 1) this.#fill(kind)
    this.#left[kind]! -= 1
    return this.#left[kind]! >= 0
  }

  #fill(kind: number): void {
    const { burst, perSecond } = this.#allowances[kind]!
    const nowMs = this.#now()
    const more = ((nowMs - this.#filledAtMs[kind]!) * perSecond) / 1_000
    this.#filledAtMs[kind] = nowMs
    this.#left[kind] = Math.min(burst, Math.max(0, this.#left[kind]!) + more)
  }
}
