import { LoadSignal } from '../../../src/proxy/balance/load-signal.ts'
import type { EventQueue } from './event-queue.ts'

/** How a backend behaves at each moment of the simulation. */
export interface BackendSpec {
  /** Requests it works on at once; more wait in line. */
  readonly workers: number
  /** Work done per millisecond and worker; 1 is normal. */
  speed(nowMs: number): number
  /** Answers an error at once, without doing the work. */
  fails(nowMs: number): boolean
  /** Added to each response, though nobody works on it. */
  stallMs(nowMs: number): number
}

export const HEALTHY: BackendSpec = { workers: 4, speed: () => 1, fails: () => false, stallMs: () => 0 }

const FAIL_MS = 0.5

/** A server with workers and a line before them. */
export class Backend {
  readonly spec: BackendSpec
  readonly signal = new LoadSignal()
  /** Requests it got, by second of the simulation. */
  readonly received: number[] = []
  readonly #queue: EventQueue
  readonly #line: { readonly workMs: number; readonly done: (ok: boolean) => void }[] = []
  #busy = 0
  /** Time its workers have spent working. */
  #workedMs = 0
  #answered = 0
  #errors = 0

  constructor(spec: BackendSpec, queue: EventQueue) {
    this.spec = spec
    this.#queue = queue
  }

  /** `workMs` is how long it takes at speed 1. */
  receive(workMs: number, done: (ok: boolean) => void): void {
    const startedMs = this.#queue.nowMs()
    const second = Math.floor(startedMs / 1_000)
    this.received[second] = (this.received[second] ?? 0) + 1
    const inFlight = this.signal.arrived()
    const ended = (ok: boolean): void => {
      this.signal.ended(inFlight, this.#queue.nowMs() - startedMs)
      this.#answered += 1
      if (!ok) this.#errors += 1
      done(ok)
    }
    const stallMs = this.spec.stallMs(startedMs)
    if (this.spec.fails(startedMs)) this.#queue.after(FAIL_MS, () => ended(false))
    else if (stallMs > 0) this.#queue.after(stallMs, () => ended(true))
    else {
      this.#line.push({ workMs, done: ended })
      this.#work()
    }
  }

  /** What it has done since it was last asked, for ORCA reports. */
  takeUsage(): { readonly workedMs: number; readonly answered: number; readonly errors: number } {
    const usage = { workedMs: this.#workedMs, answered: this.#answered, errors: this.#errors }
    this.#workedMs = 0
    this.#answered = 0
    this.#errors = 0
    return usage
  }

  #work(): void {
    while (this.#busy < this.spec.workers && this.#line.length > 0) {
      const { workMs, done } = this.#line.shift()!
      const takesMs = workMs / this.spec.speed(this.#queue.nowMs())
      this.#busy += 1
      this.#queue.after(takesMs, () => {
        this.#busy -= 1
        this.#workedMs += takesMs
        done(true)
        this.#work()
      })
    }
  }
}
