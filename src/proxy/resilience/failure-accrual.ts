import { type BalancedEndpoint, NO_TRIAL, TRIAL_DUE, TRIAL_RUNNING } from '../balance/balanced-endpoint.ts'
import type { HealthPolicy } from '../balance/health-policy.ts'
import { CANCELLED, isFault, type Outcome, OVERLOADED } from '../balance/outcome.ts'
import { addedJitterMs, type Backoff } from './backoff.ts'

export interface FailureAccrualOptions {
  readonly random: () => number
  /** Failures one after another that are enough; 0: never. Default 7. */
  readonly consecutiveFailures?: number
  /** Success rate, 0 to 1, below which an endpoint is out; 0: never. Default 0.8. */
  readonly successRateMin?: number
  /** Time over which the rate is taken. Default 10,000. */
  readonly windowMs?: number
  /** Responses that a rate needs. Default 5. */
  readonly responsesMin?: number
  /** Default 1 s, doubling, at most 60 s. */
  readonly backoff?: Backoff
  /** Default 0.5. */
  readonly jitter?: number
}

const DEFAULT_BACKOFF: Backoff = { baseMs: 1_000, maxMs: 60_000 }

/**
 * Linkerd's failure accrual, a circuit breaker per endpoint: after 7 failures one after another, or with less than 0.8
 * of 5 or more responses in 10 s successful, nothing is sent there for 1 s; then one request tries it. If that
 * succeeds all is forgotten, else the pause doubles, up to 60 s and half as much again by chance. Any number of
 * endpoints may be out; the panic threshold guards against all being.
 *
 *     closed ── failures ──▶ open ── pause over ──▶ trial due ── started ──▶ trial running
 *        ▲                    ▲                                                  │    │
 *        │                    └──────────────────── fault ──────────────────────┘    │
 *        └────────────────────────────────────── success ──────────────────────────┘
 *
 * A request that was under way when the endpoint was taken out decides the trial too if it ends during it: its
 * response is as fresh. Whoever is cancelled, or asked to send less, decides nothing: the next request tries again.
 * One instance per group; it is the only writer of its endpoints' health fields, and clears their estimate.
 */
export class FailureAccrual implements HealthPolicy {
  readonly #options: Required<FailureAccrualOptions>

  constructor(options: FailureAccrualOptions) {
    this.#options = {
      random: options.random,
      consecutiveFailures: options.consecutiveFailures ?? 7,
      successRateMin: options.successRateMin ?? 0.8,
      windowMs: options.windowMs ?? 10_000,
      responsesMin: options.responsesMin ?? 5,
      backoff: options.backoff ?? DEFAULT_BACKOFF,
      jitter: options.jitter ?? 0.5,
    }
  }

  started(endpoint: BalancedEndpoint, nowMs: number): boolean {
    // In panic requests go to endpoints whose pause is not over; they are no trials.
    if (endpoint.trial !== TRIAL_DUE || endpoint.ejectedUntilMs > nowMs) return false
    endpoint.trial = TRIAL_RUNNING
    return true
  }

  finished(endpoint: BalancedEndpoint, _all: readonly BalancedEndpoint[], nowMs: number, outcome: Outcome): boolean {
    if (outcome === CANCELLED || outcome === OVERLOADED) {
      if (endpoint.trial !== TRIAL_RUNNING) return false
      endpoint.trial = TRIAL_DUE
      return true
    }
    if (endpoint.trial !== NO_TRIAL) return this.#duringTrial(endpoint, nowMs, isFault(outcome))
    if (!this.#isBroken(endpoint, nowMs, isFault(outcome))) return false
    this.#open(endpoint, nowMs)
    return true
  }

  sweep(): boolean {
    return false
  }

  nextSweepAtMs(): number {
    return Number.POSITIVE_INFINITY
  }

  #duringTrial(endpoint: BalancedEndpoint, nowMs: number, fault: boolean): boolean {
    // Ended during the pause: it was sent before, or in panic.
    if (endpoint.trial !== TRIAL_RUNNING) return false
    if (fault) this.#open(endpoint, nowMs)
    else {
      endpoint.trial = NO_TRIAL
      endpoint.ejections = 0
    }
    return true
  }

  #isBroken(endpoint: BalancedEndpoint, nowMs: number, fault: boolean): boolean {
    const { consecutiveFailures, responsesMin, successRateMin, windowMs } = this.#options
    if (nowMs - endpoint.intervalSinceMs >= windowMs) {
      endpoint.intervalSinceMs = nowMs
      endpoint.intervalSuccesses = 0
      endpoint.intervalFailures = 0
    }
    if (!fault) {
      endpoint.consecutiveFailures = 0
      endpoint.intervalSuccesses += 1
      return false
    }
    endpoint.consecutiveFailures += 1
    endpoint.intervalFailures += 1
    if (consecutiveFailures > 0 && endpoint.consecutiveFailures >= consecutiveFailures) return true
    const responses = endpoint.intervalSuccesses + endpoint.intervalFailures
    return responses >= responsesMin && endpoint.intervalSuccesses < successRateMin * responses
  }

  #open(endpoint: BalancedEndpoint, nowMs: number): void {
    const { backoff, jitter, random } = this.#options
    endpoint.ejectedUntilMs = nowMs + addedJitterMs(endpoint.ejections, backoff, jitter, random)
    endpoint.ejections += 1
    endpoint.trial = TRIAL_DUE
    forget(endpoint, nowMs)
    // What is known of its latency belongs to the time before; as long as that stood the trial would not come.
    endpoint.latencyMs = Number.NaN
    endpoint.failureRate = Number.NaN
  }
}

function forget(endpoint: BalancedEndpoint, nowMs: number): void {
  endpoint.consecutiveFailures = 0
  endpoint.intervalSuccesses = 0
  endpoint.intervalFailures = 0
  endpoint.intervalSinceMs = nowMs
}
