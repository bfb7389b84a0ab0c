import type { Clock, Millis, Timer } from '../../../base/clock.ts'

/** Something with one time limit at a time, which it moves by writing a field. */
export interface Expiring {
  /** Monotonic; Infinity: none. */
  deadlineMs: Millis
  expire(nowMs: Millis): void
}

const EVERY_MS = 250

/** Looks at all time limits a few times a second: moving one costs nothing, and all of them are coarse, by `everyMs`. */
export class Deadlines {
  readonly #clock: Clock
  readonly #everyMs: Millis
  readonly #members = new Set<Expiring>()
  #timer: Timer | undefined

  constructor(clock: Clock, everyMs: Millis = EVERY_MS) {
    this.#clock = clock
    this.#everyMs = everyMs
  }

  add(member: Expiring): void {
    this.#members.add(member)
    this.#timer ??= this.#clock.setTimer(this.#everyMs, this.#sweep)
  }

  delete(member: Expiring): void {
    this.#members.delete(member)
  }

  readonly #sweep = (): void => {
    const nowMs = this.#clock.monotonic()
    for (const member of this.#members) {
      if (nowMs < member.deadlineMs) continue
      member.deadlineMs = Number.POSITIVE_INFINITY
      member.expire(nowMs)
    }
    this.#timer = this.#members.size === 0 ? undefined : this.#clock.setTimer(this.#everyMs, this.#sweep)
  }
}
