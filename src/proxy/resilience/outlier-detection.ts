import type { BalancedEndpoint } from '../balance/balanced-endpoint.ts'
import type { HealthPolicy } from '../balance/health-policy.ts'
import { CANCELLED, isFault, type Outcome, OVERLOADED } from '../balance/outcome.ts'

export interface OutlierDetectionOptions {
  /** Failures one after another that are enough; 0: never. Default 5. */
  readonly consecutiveFailures?: number
  /** Success rates are compared so often. Default 10,000. */
  readonly intervalMs?: number
  /** First ejection; the next last as many times as long as there were. Default 30,000. */
  readonly baseEjectionMs?: number
  /** Default 300,000. */
  readonly maxEjectionMs?: number
  /** Part of the endpoints that may be out, 0 to 1; one may be in any case. Default 0.1. */
  readonly maxEjectedShare?: number
  /** Standard deviations below the mean that make a success rate an outlier; 0: never. Default 1.9. */
  readonly deviations?: number
  /** Endpoints with enough requests that a comparison needs. Default 5. */
  readonly endpointsMin?: number
  /** Enough requests in an interval. Default 100. */
  readonly requestsMin?: number
}

/**
 * Envoy's outlier detection with its defaults, ejections as in gRFC A50: an endpoint is out after 5 failures one after
 * another, at once, and, every 10 s, when its success rate is below mean − 1.9 σ of all that had 100 requests (5 such
 * endpoints at least). It is out for 30 s times the number of its ejections, at most 5 minutes; each interval that it
 * spends inside takes one from that number. While a tenth of the endpoints are out, no more are ejected.
 *
 * One instance per group; it is the only writer of its endpoints' health fields.
 */
export class OutlierDetection implements HealthPolicy {
  readonly #options: Required<OutlierDetectionOptions>
  #sweepAtMs = Number.NEGATIVE_INFINITY

  constructor(options: OutlierDetectionOptions = {}) {
    this.#options = {
      consecutiveFailures: options.consecutiveFailures ?? 5,
      intervalMs: options.intervalMs ?? 10_000,
      baseEjectionMs: options.baseEjectionMs ?? 30_000,
      maxEjectionMs: options.maxEjectionMs ?? 300_000,
      maxEjectedShare: options.maxEjectedShare ?? 0.1,
      deviations: options.deviations ?? 1.9,
      endpointsMin: options.endpointsMin ?? 5,
      requestsMin: options.requestsMin ?? 100,
    }
  }

  started(): boolean {
    return false
  }

  finished(endpoint: BalancedEndpoint, all: readonly BalancedEndpoint[], nowMs: number, outcome: Outcome): boolean {
    if (outcome === CANCELLED || outcome === OVERLOADED) return false
    if (!isFault(outcome)) {
      endpoint.intervalSuccesses += 1
      endpoint.consecutiveFailures = 0
      return false
    }
    endpoint.intervalFailures += 1
    endpoint.consecutiveFailures += 1
    const { consecutiveFailures } = this.#options
    if (consecutiveFailures === 0 || endpoint.consecutiveFailures < consecutiveFailures) return false
    return this.#eject(endpoint, all, nowMs)
  }

  sweep(all: readonly BalancedEndpoint[], nowMs: number): boolean {
    const first = this.#sweepAtMs === Number.NEGATIVE_INFINITY
    this.#sweepAtMs = nowMs + this.#options.intervalMs
    if (first) return false
    let changed = false
    for (const endpoint of this.#outliers(all)) changed = this.#eject(endpoint, all, nowMs) || changed
    for (const endpoint of all) {
      endpoint.intervalSuccesses = 0
      endpoint.intervalFailures = 0
      if (endpoint.ejectedUntilMs <= nowMs && endpoint.ejections > 0) endpoint.ejections -= 1
    }
    return changed
  }

  nextSweepAtMs(): number {
    return this.#sweepAtMs
  }

  #outliers(all: readonly BalancedEndpoint[]): readonly BalancedEndpoint[] {
    const { deviations, endpointsMin, requestsMin } = this.#options
    const busy = all.filter((endpoint) => endpoint.intervalSuccesses + endpoint.intervalFailures >= requestsMin)
    if (deviations === 0 || busy.length < endpointsMin) return []
    const rates = busy.map(successRate)
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
    const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length
    const threshold = mean - deviations * Math.sqrt(variance)
    // The worst first, for there may not be room for all.
    return busy.filter((endpoint) => successRate(endpoint) < threshold).sort((a, b) => successRate(a) - successRate(b))
  }

  #eject(endpoint: BalancedEndpoint, all: readonly BalancedEndpoint[], nowMs: number): boolean {
    if (endpoint.ejectedUntilMs > nowMs) return false
    let out = 0
    for (const other of all) if (other.ejectedUntilMs > nowMs) out += 1
    const { baseEjectionMs, maxEjectedShare, maxEjectionMs } = this.#options
    if (out > 0 && out >= maxEjectedShare * all.length) return false
    endpoint.ejections += 1
    endpoint.consecutiveFailures = 0
    endpoint.ejectedUntilMs = nowMs + Math.min(baseEjectionMs * endpoint.ejections, maxEjectionMs)
    return true
  }
}

function successRate({ intervalSuccesses, intervalFailures }: BalancedEndpoint): number {
  return intervalSuccesses / (intervalSuccesses + intervalFailures)
}
