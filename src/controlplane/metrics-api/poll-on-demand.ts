import { type Clock, type Millis, sleep, type Timer } from '../../base/clock.ts'

export interface PollOptions {
  /** From the end of one look to the beginning of the next. */
  intervalMs(): Millis
  /** Looks go on for this long after the last question; then nothing is kept and nobody is asked. */
  readonly askedMs: Millis
  /** What was seen this long ago tells nothing of now: the next question begins anew. */
  readonly staleMs: Millis
  /** The first question after a pause waits for two looks this far apart, since a rate needs two. */
  readonly warmUpMs: Millis
  readonly clock: Clock
  /**
   * Looks once. False: there was nothing to see, so that nobody waits for a second look. `again` is the second look that
   * somebody waits for: whoever did not answer the first one need not be waited for once more. Never rejects.
   */
  look(again: boolean): Promise<boolean>
  /** Lets go of what was seen. */
  forget(): void
}

/** Looks at something again and again while somebody wants to know, never otherwise. */
export class PollOnDemand {
  readonly #options: PollOptions
  readonly #closing = new AbortController()
  #askedAtMs: Millis = Number.NEGATIVE_INFINITY
  #lookedAtMs: Millis = Number.NEGATIVE_INFINITY
  #warmUp: Promise<void> | undefined
  #timer: Timer | undefined

  constructor(options: PollOptions) {
    this.#options = options
  }

  /** Aborts when it is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Resolves once two looks were taken, or one that saw nothing. Never rejects. */
  async ready(): Promise<void> {
    const { clock, staleMs } = this.#options
    const now = clock.monotonic()
    this.#askedAtMs = now
    if (this.#closing.signal.aborted || (this.#warmUp === undefined && now - this.#lookedAtMs <= staleMs)) return
    await this.#lookTwice(true)
  }

  /** Looks twice again, as at the first question, and keeps what is known: there is something else to look at. Never rejects. */
  async renew(): Promise<void> {
    await this.ready()
    if (!this.#closing.signal.aborted) await this.#lookTwice(false)
  }

  close(): void {
    this.#closing.abort()
    this.#timer?.cancel()
  }

  /** Those who want it at once wait for the same. */
  #lookTwice(anew: boolean): Promise<void> {
    this.#warmUp ??= this.#begin(anew).finally(() => {
      this.#warmUp = undefined
    })
    return this.#warmUp
  }

  async #begin(anew: boolean): Promise<void> {
    const { clock, warmUpMs, forget } = this.#options
    this.#timer?.cancel()
    if (anew) forget()
    if (await this.#look(false)) {
      await sleep(clock, warmUpMs, this.#closing.signal)
      if (!this.#closing.signal.aborted) await this.#look(true)
    }
    this.#schedule()
  }

  async #look(again: boolean): Promise<boolean> {
    const seen = await this.#options.look(again)
    this.#lookedAtMs = this.#options.clock.monotonic()
    return seen
  }

  #schedule(): void {
    const { clock, askedMs, intervalMs, forget } = this.#options
    // A slow look may end while another one has begun: there is one next time for both.
    this.#timer?.cancel()
    if (this.#closing.signal.aborted) return
    this.#timer = clock.setTimer(intervalMs(), async () => {
      if (clock.monotonic() - this.#askedAtMs > askedMs) {
        forget()
        this.#lookedAtMs = Number.NEGATIVE_INFINITY
        return
      }
      await this.#look(false)
      this.#schedule()
    })
  }
}
