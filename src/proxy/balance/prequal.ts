import type { BalancedEndpoint } from './balanced-endpoint.ts'
import type { Balancer } from './balancer.ts'
import { DECAY_MS, decayed, FAILURE_SAY, observeLatency, UNKNOWN_LATENCY_MS } from './latency-estimate.ts'
import type { Outcome } from './outcome.ts'
import { ProbePool } from './probe-pool.ts'
import { SlidingQuantile } from './sliding-quantile.ts'

export interface PrequalOptions {
  readonly random: () => number
  /**
   * Asks an endpoint's server for its load; must return at once. The answer, if it comes, goes to `probed`. Default:
   * passive, the proxy answers for the endpoint with what it has seen of it itself.
   */
  readonly probe?: (endpoint: BalancedEndpoint, nowMs: number) => void
  /** With `probe`: whether the proxy answers for endpoints all the same, since they do not. Default: it never does. */
  readonly isPassive?: () => boolean
  /** Default 3. Need not be whole. */
  readonly probesPerQuery?: number
  /** Default 1. Need not be whole. */
  readonly removedPerQuery?: number
  /** At most so many answers are kept. Default 16. */
  readonly poolSize?: number
  /** Answers older than that are dropped. Default 1,000. */
  readonly maxAgeMs?: number
  /** Endpoints with more requests in flight than this part of the latest answers are hot. Default 0.84. */
  readonly hotQuantile?: number
}

/** δ of the reuse formula: the pool gains so much more than it needs. */
const NET_GAIN = 1
/** Reuse where the formula has no limit to offer. */
const REUSE_MAX = 16
/** Latest answers that the quantile is taken of. */
const QUANTILE_WINDOW = 128
/** Above this part of failed responses an endpoint is a sinkhole: it looks idle because it fails. */
const SINKHOLE_RATE = 0.2
/** Queries over which it is seen how many answers there are to each. */
const SUPPLY_QUERIES = 64
/** Draws for an endpoint that is none, when the pool has nothing to offer. */
const RANDOM_DRAWS = 3

/**
 * Prequal (Wydrowski et al., "Load is not what you should balance", NSDI '24). Each query sends asynchronous probes to
 * a few endpoints drawn at random and is itself decided by answers to earlier ones:
 * - an answer with more requests in flight than the 0.84 quantile of the latest is hot;
 * - among the cold ones the lowest latency wins; when all are hot, the fewest requests in flight;
 * - answers are dropped after a second, after b uses, and one a query: the oldest and the worst in turn, so that the
 *   pool does not fill with what nobody wants;
 * - b = max(1, (1 + δ) / ((1 − m/n) · probes − removed)) for a pool of m and n endpoints, rounded at random;
 * - where less than half of the answers come, since probes are held back or get lost, each is used the more often for it
 *   and removed the more seldom, as if fewer probes had been meant: the pool would run dry and leave the choice to chance;
 * - a query sent counts at once as one more in flight in the answer it used;
 * - with fewer than two answers the choice is random.
 *
 * The pool is at most half as large as the set of endpoints: with all of them in it every proxy would send to the same
 * best one. Against sinkholing, endpoints that the proxy itself sees failing are passed over as long as there are others.
 */
export class Prequal implements Balancer {
  readonly #random: () => number
  readonly #probe: ((endpoint: BalancedEndpoint, nowMs: number) => void) | undefined
  readonly #isPassive: () => boolean
  readonly #probesPerQuery: number
  readonly #removedPerQuery: number
  readonly #poolSize: number
  readonly #maxAgeMs: number
  readonly #inFlightQuantile: SlidingQuantile
  #members: readonly BalancedEndpoint[] = []
  #pool = new ProbePool(0)
  #reuse = 1
  /** A permutation of the members' indices: probes take from its front, so that no two of a query go to one endpoint. */
  #order = new Uint32Array(0)
  #probesDue = 0
  #removalsDue = 0
  #removeOldest = true
  /** Moving average over queries. */
  #answersPerQuery: number
  #answersSinceQuery = 0

  constructor(options: PrequalOptions) {
    this.#random = options.random
    this.#probe = options.probe
    this.#isPassive = options.isPassive ?? (options.probe === undefined ? () => true : () => false)
    this.#probesPerQuery = options.probesPerQuery ?? 3
    this.#removedPerQuery = options.removedPerQuery ?? 1
    this.#answersPerQuery = this.#probesPerQuery
    this.#poolSize = options.poolSize ?? 16
    this.#maxAgeMs = options.maxAgeMs ?? 1_000
    this.#inFlightQuantile = new SlidingQuantile(options.hotQuantile ?? 0.84, QUANTILE_WINDOW)
  }

  pick(endpoints: readonly BalancedEndpoint[], _key: number, nowMs: number): number {
    if (endpoints !== this.#members) this.#seat(endpoints)
    if (endpoints.length < 2) return endpoints.length - 1
    this.#answersPerQuery += (this.#answersSinceQuery - this.#answersPerQuery) / SUPPLY_QUERIES
    this.#answersSinceQuery = 0
    this.#pool.dropOlderThan(nowMs - this.#maxAgeMs)
    const used = this.#pool.size() < 2 ? -1 : this.#best(nowMs)
    const choice = used < 0 ? this.#anyButSinkholes(nowMs) : this.#pool.memberAt(used)
    if (used >= 0) this.#pool.use(used)
    this.#remove()
    this.#sendProbes(nowMs)
    return choice
  }

  /** An endpoint's answer to a probe: requests in flight and the latency it expects, NaN when it does not know. */
  probed(endpoint: BalancedEndpoint, inFlight: number, latencyMs: number, nowMs: number): void {
    const member = this.#members.indexOf(endpoint)
    if (member >= 0) this.#answered(member, inFlight, latencyMs, nowMs)
  }

  started(): void {}

  finished(endpoint: BalancedEndpoint, nowMs: number, latencyMs: number, outcome: Outcome): void {
    observeLatency(endpoint, nowMs, latencyMs, outcome, DECAY_MS, FAILURE_SAY)
  }

  /** How many answers are at hand. */
  poolSize(): number {
    return this.#pool.size()
  }

  #answered(member: number, inFlight: number, latencyMs: number, nowMs: number): void {
    this.#inFlightQuantile.add(inFlight)
    this.#answersSinceQuery += 1
    const reuse = Math.min(REUSE_MAX, this.#reuse / this.#supply())
    const whole = Math.floor(reuse)
    const uses = whole + (this.#random() < reuse - whole ? 1 : 0)
    this.#pool.add(member, inFlight, Number.isNaN(latencyMs) ? UNKNOWN_LATENCY_MS : latencyMs, nowMs, uses)
  }

  #seat(endpoints: readonly BalancedEndpoint[]): void {
    const size = Math.min(this.#poolSize, Math.max(2, Math.ceil(endpoints.length / 2)))
    const pool = new ProbePool(size)
    for (let i = 0; i < this.#pool.size(); i++) {
      const member = endpoints.indexOf(this.#members[this.#pool.memberAt(i)]!)
      if (member >= 0) pool.copy(this.#pool, i, member)
    }
    this.#members = endpoints
    this.#pool = pool
    this.#order = Uint32Array.from(endpoints, (_, i) => i)
    const gained = (1 - size / endpoints.length) * this.#probesPerQuery - this.#removedPerQuery
    this.#reuse = gained <= 0 ? REUSE_MAX : Math.min(REUSE_MAX, Math.max(1, (1 + NET_GAIN) / gained))
  }

  /** Place in the pool of the answer that wins; -1 when only sinkholes have answered. */
  #best(nowMs: number): number {
    const pool = this.#pool
    const hotAbove = this.#inFlightQuantile.value()
    let coldest = -1
    let coolest = -1
    for (let i = 0; i < pool.size(); i++) {
      if (this.#isSinkhole(pool.memberAt(i), nowMs)) continue
      if (pool.inFlightAt(i) <= hotAbove) {
        if (coldest < 0 || pool.latencyMsAt(i) < pool.latencyMsAt(coldest)) coldest = i
      } else if (coolest < 0 || pool.inFlightAt(i) < pool.inFlightAt(coolest)) coolest = i
    }
    return coldest >= 0 ? coldest : coolest
  }

  #isSinkhole(member: number, nowMs: number): boolean {
    const endpoint = this.#members[member]!
    if (!(endpoint.failureRate > SINKHOLE_RATE)) return false
    return endpoint.failureRate * decayed(Math.max(0, nowMs - endpoint.latencyAtMs) / DECAY_MS) > SINKHOLE_RATE
  }

  #anyButSinkholes(nowMs: number): number {
    let choice = 0
    for (let draw = 0; draw < RANDOM_DRAWS; draw++) {
      choice = Math.floor(this.#random() * this.#members.length)
      if (!this.#isSinkhole(choice, nowMs)) break
    }
    return choice
  }

  /** The part of the answers meant that come, above 0; 1 as long as it is more than half. */
  #supply(): number {
    const part = this.#answersPerQuery / this.#probesPerQuery
    return part < 0.5 ? Math.max(part, 1 / REUSE_MAX) : 1
  }

  #remove(): void {
    this.#removalsDue += this.#removedPerQuery * this.#supply()
    while (this.#removalsDue >= 1) {
      this.#removalsDue -= 1
      if (this.#removeOldest) this.#pool.dropOldest()
      else this.#pool.dropWorst(this.#inFlightQuantile.value())
      this.#removeOldest = !this.#removeOldest
    }
  }

  #sendProbes(nowMs: number): void {
    const order = this.#order
    this.#probesDue += this.#probesPerQuery
    for (let sent = 0; this.#probesDue >= 1; sent++) {
      this.#probesDue -= 1
      if (sent >= order.length) continue
      const at = sent + Math.floor(this.#random() * (order.length - sent))
      const member = order[at]!
      order[at] = order[sent]!
      order[sent] = member
      const endpoint = this.#members[member]!
      this.#probe?.(endpoint, nowMs)
      // What is under way there comes before the next: without it the one that was fast would be sent everything.
      if (this.#isPassive())
        this.#answered(member, endpoint.inFlight, endpoint.latencyMs * (endpoint.inFlight + 1), nowMs)
    }
  }
}
