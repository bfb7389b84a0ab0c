import type { Clock, Millis, Timer } from '../base/clock.ts'
import { DurationHistogram, POWERS_OF_TEN } from '../base/duration-histogram.ts'

const BACKOFF_MS_MIN = 5
const BACKOFF_MS_MAX = 1_000_000
/** All retries of one queue together: this many at once, then this many a second. */
const RETRY_BURST = 100
const RETRIES_PER_SECOND = 10

/**
 * Keys to work on, each at most once at a time: a key added while it is worked on comes again afterwards, and a key
 * added twice comes once. Delays, per-key back-off (5 ms doubling to 1,000 s) and the bound on all retries together
 * (10/s after a burst of 100) are those of client-go's controllers.
 */
export class WorkQueue {
  readonly #clock: Clock
  readonly #ready: string[] = []
  #head = 0
  readonly #dirty = new Set<string>()
  readonly #processing = new Set<string>()
  readonly #failures = new Map<string, number>()
  readonly #delayed = new Map<string, { readonly at: number; readonly timer: Timer }>()
  readonly #waiters: ((key: string | undefined) => void)[] = []
  #retriesLeft = RETRY_BURST
  #retriesAtMs: number
  #closed = false
  #adds = 0
  #retries = 0
  /** How long keys wait until they are worked on, and how long that takes, in seconds. */
  readonly waiting = new DurationHistogram(POWERS_OF_TEN)
  readonly working = new DurationHistogram(POWERS_OF_TEN)
  readonly #addedAt = new Map<string, Millis>()
  readonly #takenAt = new Map<string, Millis>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#retriesAtMs = clock.monotonic()
  }

  /** How many keys wait, without those that are delayed. */
  get length(): number {
    return this.#ready.length - this.#head
  }

  /** Keys that were added since the beginning; those that were waiting already do not count. */
  get adds(): number {
    return this.#adds
  }

  /** Keys that came back with a back-off. */
  get retries(): number {
    return this.#retries
  }

  add(key: string): void {
    if (this.#closed || this.#dirty.has(key)) return
    this.#adds += 1
    this.#addedAt.set(key, this.#clock.monotonic())
    this.#dirty.add(key)
    if (this.#processing.has(key)) return
    const waiter = this.#waiters.shift()
    if (waiter === undefined) this.#ready.push(key)
    else waiter(this.#take(key))
  }

  /** Adds the key after a delay; of several delays for one key the earliest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return
    if (delayMs <= 0) {
      this.add(key)
      return
    }
    const at = this.#clock.monotonic() + delayMs
    const known = this.#delayed.get(key)
    if (known !== undefined && known.at <= at) return
    known?.timer.cancel()
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#delayed.delete(key)
      this.add(key)
    })
    this.#delayed.set(key, { at, timer })
  }

  /** Adds the key after its back-off, which doubles with each call until `forget`. */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0
    this.#failures.set(key, failures + 1)
    this.#retries += 1
    this.addAfter(key, Math.max(Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** failures), this.#retryDelayMs()))
  }

  forget(key: string): void {
    this.#failures.delete(key)
  }

  /** How often in a row the key failed. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0
  }

  /** The next key, now being worked on until `done`; undefined once the queue is closed. */
  get(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined)
    if (this.#head < this.#ready.length) {
      const key = this.#ready[this.#head++]!
      if (this.#head > 1_024 && this.#head * 2 > this.#ready.length) {
        this.#ready.splice(0, this.#head)
        this.#head = 0
      }
      return Promise.resolve(this.#take(key))
    }
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  done(key: string): void {
    this.#processing.delete(key)
    const takenAt = this.#takenAt.get(key)
    this.#takenAt.delete(key)
    if (takenAt !== undefined) this.working.observe((this.#clock.monotonic() - takenAt) / 1_000)
    if (!this.#dirty.has(key) || this.#closed) return
    this.#dirty.delete(key)
    // It has waited since it came back while it was worked on.
    const addedAt = this.#addedAt.get(key)
    this.add(key)
    if (addedAt !== undefined && this.#addedAt.has(key)) this.#addedAt.set(key, addedAt)
  }

  /** Since when each key that is worked on has been, by the clock's monotonic time. */
  workingSince(): Iterable<Millis> {
    return this.#takenAt.values()
  }

  close(): void {
    this.#closed = true
    for (const { timer } of this.#delayed.values()) timer.cancel()
    this.#delayed.clear()
    for (const waiter of this.#waiters.splice(0)) waiter(undefined)
  }

  /** Takes one retry out of the bucket, which may go below zero: then it is due when it would be full enough again. */
  #retryDelayMs(): number {
    const now = this.#clock.monotonic()
    const refilled = ((now - this.#retriesAtMs) / 1_000) * RETRIES_PER_SECOND
    this.#retriesLeft = Math.min(RETRY_BURST, this.#retriesLeft + refilled) - 1
    this.#retriesAtMs = now
    return this.#retriesLeft >= 0 ? 0 : (-this.#retriesLeft / RETRIES_PER_SECOND) * 1_000
  }

  #take(key: string): string {
    this.#dirty.delete(key)
    this.#processing.add(key)
    const now = this.#clock.monotonic()
    this.waiting.observe((now - (this.#addedAt.get(key) ?? now)) / 1_000)
    this.#addedAt.delete(key)
    this.#takenAt.set(key, now)
    return key
  }
}
