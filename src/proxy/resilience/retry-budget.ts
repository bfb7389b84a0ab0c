export interface RetryBudgetOptions {
  /** What is deposited counts so long. Default 10,000. */
  readonly ttlMs?: number
  /** Retries per second that are always allowed, so that services with little traffic can retry. Default 10. */
  readonly minimumPerSecond?: number
  /** Retries per request beyond that, more than 0. Default 0.2. */
  readonly ratio?: number
}

const SLOTS = 10
const DEPOSIT = 1

/**
 * How many retries a service's requests pay for, as in Finagle and Linkerd: a request deposits 1, a retry withdraws
 * 1/ratio = 5, and the reserve, minimum/s · ttl · 5 = 500, is there always. A retry is paid for only while the retries
 * of the last ttl (10 slots of 1 s), itself included, are no more than ratio · requests + minimum · ttl. When most requests fail, retries add a fifth to the load instead
 * of multiplying it.
 */
export class RetryBudget {
  readonly #slotMs: number
  readonly #withdrawal: number
  readonly #reserve: number
  readonly #slots = new Float64Array(SLOTS)
  /** Sum of the slots. */
  #balance = 0
  /** Number of the slot that is being written, counted from the clock's origin. */
  #turn = Number.NaN

  constructor(options: RetryBudgetOptions = {}) {
    const { ttlMs = 10_000, minimumPerSecond = 10, ratio = 0.2 } = options
    this.#slotMs = ttlMs / SLOTS
    this.#withdrawal = DEPOSIT / ratio
    this.#reserve = minimumPerSecond * (ttlMs / 1_000) * this.#withdrawal
  }

  /** For each request, not for its retries. */
  deposit(nowMs: number): void {
    this.#expire(nowMs)
    this.#add(DEPOSIT)
  }

  /** Whether a retry would be paid for. */
  covers(nowMs: number): boolean {
    this.#expire(nowMs)
    return this.#reserve + this.#balance >= this.#withdrawal
  }

  /** Pays for one retry; false, and nothing paid, when there is not enough. */
  withdraw(nowMs: number): boolean {
    if (!this.covers(nowMs)) return false
    this.#add(-this.#withdrawal)
    return true
  }

  #add(amount: number): void {
    this.#slots[this.#turn % SLOTS]! += amount
    this.#balance += amount
  }

  #expire(nowMs: number): void {
    const turn = Math.floor(nowMs / this.#slotMs)
    if (turn === this.#turn) return
    if (Number.isNaN(this.#turn) || turn - this.#turn >= SLOTS) {
      this.#slots.fill(0)
      this.#balance = 0
    } else {
      for (let next = this.#turn + 1; next <= turn; next++) {
        this.#balance -= this.#slots[next % SLOTS]!
        this.#slots[next % SLOTS] = 0
      }
    }
    this.#turn = turn
  }
}
