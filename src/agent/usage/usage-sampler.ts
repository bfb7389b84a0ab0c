import type { Clock, Millis, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { type MachineUsage, readMachineUsage } from './machine-usage.ts'
import type { ContainerUsage, UsageSource } from './usage-source.ts'

export interface UsageSample {
  readonly atMs: Millis
  readonly machine: MachineUsage
  readonly containers: ReadonlyMap<string, ContainerUsage>
}

/** The newest sample, and an earlier one to take rates from when there is one. */
export interface UsageWindow {
  readonly last: UsageSample
  readonly earlier: UsageSample | undefined
}

/** A sample this young answers whoever asks: at most one pass a second, however many do. */
const FRESH_MS = 1_000
/** While somebody asks now and then, samples are taken in between, so that little is lost of what ends. */
const INTERVAL_MS = 15_000
const ASKED_MS = 60_000
/** Rates are taken over at least this long, as soon as there are samples that far apart. */
const WINDOW_MS = 10_000
/** And never over longer: what was used while nobody asked says nothing of now. */
const WINDOW_MS_MAX = 60_000

/** Takes samples of a source when asked, and for a minute after that. Shared by all nodes of a process; idle it does nothing. */
export class UsageSampler {
  readonly #source: UsageSource
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #readMachine: () => MachineUsage
  #window: UsageWindow | undefined
  #taking: Promise<UsageWindow> | undefined
  #askedAtMs = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #closed = false

  constructor(source: UsageSource, clock: Clock, logger: Logger, readMachine: () => MachineUsage = readMachineUsage) {
    this.#source = source
    this.#clock = clock
    this.#logger = logger
    this.#readMachine = readMachine
  }

  /** A sample that is a second old at most. Rejects when /proc cannot be read. */
  async current(): Promise<UsageWindow> {
    this.#askedAtMs = this.#clock.monotonic()
    const window = this.#window
    if (window !== undefined && Math.abs(this.#clock.now() - window.last.atMs) < FRESH_MS) return window
    return this.#take()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #take(): Promise<UsageWindow> {
    this.#taking ??= this.#sample().finally(() => {
      this.#taking = undefined
      this.#schedule()
    })
    return this.#taking
  }

  async #sample(): Promise<UsageWindow> {
    const containers = await this.#source.read()
    const last = { atMs: this.#clock.now(), machine: this.#readMachine(), containers }
    const before = this.#window
    const far = before !== undefined && before.last.atMs - (before.earlier?.atMs ?? 0) >= WINDOW_MS
    const earlier = far ? before.last : before?.earlier
    const isRecent = earlier !== undefined && last.atMs - earlier.atMs <= WINDOW_MS_MAX
    this.#window = { last, earlier: isRecent ? earlier : undefined }
    return this.#window
  }

  #schedule(): void {
    this.#timer?.cancel()
    if (this.#closed || this.#clock.monotonic() - this.#askedAtMs > ASKED_MS) return
    this.#timer = this.#clock.setTimer(INTERVAL_MS, () => {
      this.#take().catch((error) => this.#logger.warn({ err: error }, 'the usage of containers could not be read'))
    })
  }
}
