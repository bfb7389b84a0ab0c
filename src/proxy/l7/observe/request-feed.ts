import type { Clock, Timer } from '../../../base/clock.ts'
import type { RequestObserver, RequestRecord } from './request-observer.ts'

const EVERY_MS = 50
/** At 100,000 requests/s twice what comes between two times. */
const RECORDS_MAX = 10_000

/** Takes what was gathered. `dropped`: requests since the last time that there was no room for. */
export type RecordSink = (records: readonly RequestRecord[], dropped: number) => void

/** Gathers records while requests are served, and hands them on a few times a second. Bounded: what is too much is counted. */
export class RequestFeed implements RequestObserver {
  readonly #clock: Clock
  readonly #sinks = new Set<RecordSink>()
  #records: RequestRecord[] = []
  #dropped = 0
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get hasSinks(): boolean {
    return this.#sinks.size > 0
  }

  add(sink: RecordSink): void {
    this.#sinks.add(sink)
  }

  delete(sink: RecordSink): void {
    this.#sinks.delete(sink)
  }

  ended(record: RequestRecord): void {
    if (this.#records.length >= RECORDS_MAX) this.#dropped++
    else this.#records.push(record)
    this.#timer ??= this.#clock.setTimer(EVERY_MS, this.flush)
  }

  /** Hands on what there is now. */
  readonly flush = (): void => {
    this.#timer?.cancel()
    this.#timer = undefined
    const records = this.#records
    const dropped = this.#dropped
    if (records.length === 0) return
    this.#records = []
    this.#dropped = 0
    for (const sink of this.#sinks) sink(records, dropped)
  }
}
