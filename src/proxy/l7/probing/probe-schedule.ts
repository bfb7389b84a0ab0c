/** Failures in a row, of whichever endpoints, after which the proxy goes by what it sees itself. */
const PASSIVE_AFTER = 3
/** An endpoint that does not answer is left alone so long, doubling. */
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 5_000

interface Asked {
  isUnderWay: boolean
  /** In a row. */
  failures: number
  /** Not before. */
  nextAtMs: number
}

/**
 * When to ask which endpoint for its load. Pure; `nowMs` is monotonic. One probe at a time per endpoint, since a second
 * would be told the same; all together at most so many a second (a token bucket that holds a tenth of a second's).
 */
export class ProbeSchedule {
  readonly #perMs: number
  readonly #burst: number
  readonly #asked = new Map<string, Asked>()
  #tokens: number
  #filledAtMs = Number.NEGATIVE_INFINITY
  #failures = 0

  constructor(perSecond: number) {
    this.#perMs = perSecond / 1_000
    this.#burst = Math.max(1, perSecond / 10)
    this.#tokens = this.#burst
  }

  /** Endpoints do not answer: their load is not known, and what the proxy sees of them is better than nothing. */
  get isPassive(): boolean {
    return this.#failures >= PASSIVE_AFTER
  }

  /** Whether to ask the endpoint now; then `answered` or `failed` is to follow. */
  take(endpoint: string, nowMs: number): boolean {
    const asked = this.#of(endpoint)
    if (asked.isUnderWay || nowMs < asked.nextAtMs) return false
    const passedMs = Math.max(0, nowMs - this.#filledAtMs)
    this.#tokens = Math.min(this.#burst, this.#tokens + passedMs * this.#perMs)
    this.#filledAtMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    asked.isUnderWay = true
    return true
  }

  answered(endpoint: string): void {
    this.#failures = 0
    const asked = this.#of(endpoint)
    asked.isUnderWay = false
    asked.failures = 0
  }

  failed(endpoint: string, nowMs: number): void {
    this.#failures += 1
    const asked = this.#of(endpoint)
    asked.isUnderWay = false
    asked.nextAtMs = nowMs + Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** asked.failures)
    asked.failures += 1
  }

  /** Forgets all endpoints but these. */
  keep(endpoints: ReadonlySet<string>): void {
    for (const endpoint of this.#asked.keys()) if (!endpoints.has(endpoint)) this.#asked.delete(endpoint)
  }

  #of(endpoint: string): Asked {
    let asked = this.#asked.get(endpoint)
    if (asked === undefined) {
      asked = { isUnderWay: false, failures: 0, nextAtMs: Number.NEGATIVE_INFINITY }
      this.#asked.set(endpoint, asked)
    }
    return asked
  }
}
