import type { BalancedEndpoint } from './balanced-endpoint.ts'
import type { Balancer } from './balancer.ts'
import { eligibleEndpoints } from './eligible-endpoints.ts'
import type { HealthPolicy } from './health-policy.ts'
import type { Outcome } from './outcome.ts'
import { type SlowStart, slowStartFactor } from './slow-start.ts'
import { splitByZone } from './zone-preference.ts'

export interface EndpointGroupOptions {
  /** Called for the zone's own endpoints and for the others': each keeps its own turn or table. */
  readonly createBalancer: () => Balancer
  readonly random: () => number
  /** The proxy's zone, when its endpoints are to be preferred. Default: none. */
  readonly zone?: string
  /** Default: none, new endpoints take their full share at once. */
  readonly slowStart?: SlowStart
  /** Part of the endpoints, 0 to 1, below which ejections are ignored. Default 0.5 (Envoy's). */
  readonly panicThreshold?: number
  readonly health?: HealthPolicy
}

/** Steps in which weights grow during slow start. */
const SLOW_START_STEPS = 100
/** Draws of the algorithm before a retry takes any endpoint it has not tried (Envoy's host selection retries: 3). */
const OTHER_DRAWS = 3

/**
 * The endpoints of one Service as one place to send requests to: who is eligible (ending, ejections, panic), near or
 * far, with which weight, and then the algorithm's choice among them. All but the choice is worked out again only when
 * something changed or a time has come, so `pick` allocates nothing and costs little more than the algorithm's own.
 */
export class EndpointGroup {
  readonly #options: EndpointGroupOptions
  readonly #panicThreshold: number
  readonly #health: HealthPolicy | undefined
  readonly #nearBalancer: Balancer
  readonly #farBalancer: Balancer
  #all: readonly BalancedEndpoint[]
  #near: readonly BalancedEndpoint[]
  #far: readonly BalancedEndpoint[]
  #nearShare: number
  #panic: boolean
  /** -Infinity: at once. */
  #refreshAtMs: number

  constructor(options: EndpointGroupOptions) {
    this.#options = options
    this.#panicThreshold = options.panicThreshold ?? 0.5
    this.#health = options.health
    this.#nearBalancer = options.createBalancer()
    this.#farBalancer = options.createBalancer()
    this.#all = []
    this.#near = []
    this.#far = []
    this.#nearShare = 1
    this.#panic = false
    this.#refreshAtMs = Number.NEGATIVE_INFINITY
  }

  /** Those of the present routing table, ending ones included. A new array; endpoints that stay are the same objects. */
  replace(endpoints: readonly BalancedEndpoint[]): void {
    this.#all = endpoints
    // Other arrays even where the members are the same: their weights may not be.
    this.#near = []
    this.#far = []
    this.changed()
  }

  /** To be called after an endpoint's `terminating`, `zone` or `ejectedUntilMs` was written from outside. */
  changed(): void {
    this.#refreshAtMs = Number.NEGATIVE_INFINITY
  }

  all(): readonly BalancedEndpoint[] {
    return this.#all
  }

  /** Whether ejections are being ignored because too few endpoints would be left. */
  inPanic(): boolean {
    return this.#panic
  }

  /** undefined: there are no endpoints. */
  pick(key: number, nowMs: number): BalancedEndpoint | undefined {
    if (nowMs >= this.#refreshAtMs) this.#refresh(nowMs)
    const near = this.#nearShare >= 1 || (this.#nearShare > 0 && this.#options.random() < this.#nearShare)
    const endpoints = near ? this.#near : this.#far
    return endpoints[(near ? this.#nearBalancer : this.#farBalancer).pick(endpoints, key, nowMs)]
  }

  /**
   * For a retry: preferably none of `tried`. A few draws by the algorithm, with other keys, then any in turn, near
   * before far; the algorithm's choice among those tried when there is no other.
   */
  pickOther(tried: readonly BalancedEndpoint[], key: number, nowMs: number): BalancedEndpoint | undefined {
    let choice = this.pick(key, nowMs)
    for (let draw = 1; draw <= OTHER_DRAWS; draw++) {
      if (choice === undefined || !tried.includes(choice)) return choice
      choice = this.pick((key + Math.imul(draw, 0x9e37_79b9)) >>> 0, nowMs)
    }
    if (choice === undefined || !tried.includes(choice)) return choice
    return untried(this.#near, tried, key) ?? untried(this.#far, tried, key) ?? choice
  }

  /** Whether `endpoint` may be chosen now: for sessions that stick to it. */
  isEligible(endpoint: BalancedEndpoint, nowMs: number): boolean {
    if (nowMs >= this.#refreshAtMs) this.#refresh(nowMs)
    return this.#near.includes(endpoint) || this.#far.includes(endpoint)
  }

  started(endpoint: BalancedEndpoint, nowMs: number): void {
    endpoint.inFlight += 1
    this.#balancerOf(endpoint).started(endpoint, nowMs)
    if (this.#health?.started(endpoint, nowMs) === true) this.changed()
  }

  /**
   * Once for each `started`, also for endpoints that have left the group meanwhile. `latencyMs` runs to the first byte
   * of the response's body, or to whatever ended it before.
   */
  finished(endpoint: BalancedEndpoint, nowMs: number, latencyMs: number, outcome: Outcome): void {
    endpoint.inFlight -= 1
    this.#balancerOf(endpoint).finished(endpoint, nowMs, latencyMs, outcome)
    if (this.#health?.finished(endpoint, this.#all, nowMs, outcome) === true) this.changed()
  }

  #balancerOf(endpoint: BalancedEndpoint): Balancer {
    const { zone } = this.#options
    return zone === undefined || endpoint.zone === zone ? this.#nearBalancer : this.#farBalancer
  }

  #refresh(nowMs: number): void {
    const health = this.#health
    if (health !== undefined && nowMs >= health.nextSweepAtMs()) health.sweep(this.#all, nowMs)
    const eligible = eligibleEndpoints(this.#all, nowMs, this.#panicThreshold)
    const split = splitByZone(this.#all, eligible.endpoints, this.#options.zone)
    this.#near = keepIfSame(this.#near, split.near)
    this.#far = keepIfSame(this.#far, split.far)
    this.#nearShare = split.nearShare
    this.#panic = eligible.panic
    const growsAtMs = this.#weigh(nowMs)
    this.#refreshAtMs = Math.min(eligible.recheckAtMs, growsAtMs, health?.nextSweepAtMs() ?? Number.POSITIVE_INFINITY)
  }

  /** Writes the effective weights; returns when they grow next. */
  #weigh(nowMs: number): number {
    const { slowStart } = this.#options
    let growing = false
    for (const endpoint of this.#all) {
      const sinceMs = nowMs - endpoint.readySinceMs
      growing ||= slowStart !== undefined && sinceMs < slowStart.windowMs
      endpoint.effectiveWeight =
        slowStart === undefined ? endpoint.weight : endpoint.weight * slowStartFactor(sinceMs, slowStart)
    }
    return growing && slowStart !== undefined ? nowMs + slowStart.windowMs / SLOW_START_STEPS : Number.POSITIVE_INFINITY
  }
}

/** The old array where it has the same members, so that tables built for it stay valid. */
function keepIfSame(old: readonly BalancedEndpoint[], next: readonly BalancedEndpoint[]): readonly BalancedEndpoint[] {
  return old.length === next.length && old.every((endpoint, i) => endpoint === next[i]) ? old : next
}

/** One that is not among `tried`, counted from where `key` points so that retries spread. */
function untried(
  endpoints: readonly BalancedEndpoint[],
  tried: readonly BalancedEndpoint[],
  key: number,
): BalancedEndpoint | undefined {
  for (let i = 0; i < endpoints.length; i++) {
    const endpoint = endpoints[(key + i) % endpoints.length]!
    if (!tried.includes(endpoint)) return endpoint
  }
  return undefined
}
