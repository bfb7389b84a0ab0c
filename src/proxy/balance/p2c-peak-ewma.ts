import type { BalancedEndpoint } from './balanced-endpoint.ts'
import type { Balancer } from './balancer.ts'
import {
  DECAY_MS,
  decayed,
  FAILURE_PENALTY_MS,
  FAILURE_SAY,
  observeLatency,
  UNKNOWN_LATENCY_MS,
} from './latency-estimate.ts'

/** What an endpoint is taken for that nothing is known of: less is no reason to prefer one idle endpoint to another. */
const IDLE_DIFFERENCE_MS = UNKNOWN_LATENCY_MS

export interface P2cPeakEwmaOptions {
  readonly random: () => number
  /** Default 10,000. */
  readonly decayMs?: number
  /** What an endpoint that always fails is taken to need. Default 5,000. */
  readonly failurePenaltyMs?: number
  /** Say of one response in the failure rate, 0 to 1. Default 0.1; 1: one failure is as bad as failing always. */
  readonly failureSay?: number
}

/**
 * The default: of two distinct endpoints drawn at random the one with the lower cost, where
 *
 *     cost = (latency + penalty · failure rate²) · (requests in flight + 1) / weight
 *
 * Latency is the peak-sensitive average of `latency-estimate.ts` (decay 10 s), as in Finagle and Linkerd; penalty 5 s.
 * The rate is squared so that a single failure among many, which may be the request's fault, costs an endpoint little,
 * while one that fails whatever it gets looks slower than any that answers: failing fast attracts nothing.
 *
 * An endpoint that has not answered yet counts as slow (30 ms) while something is under way to it, and until then as
 * no slower than the one it is compared with: it is tried with one request, learnt about, and only then given more.
 *
 * While nothing is under way to either of the two, those count as the same whose usual latencies differ by less than 30
 * ms: a slow answer of a while ago must not leave an endpoint without any of the requests that come one by one.
 *
 * Two draws and two costs, whatever the number of endpoints; nothing is allocated.
 */
export function p2cPeakEwma(options: P2cPeakEwmaOptions): Balancer {
  const { random, decayMs = DECAY_MS, failurePenaltyMs = FAILURE_PENALTY_MS, failureSay = FAILURE_SAY } = options

  /** Milliseconds for one request; NaN when not known. */
  const expected = (endpoint: BalancedEndpoint, nowMs: number): number => {
    if (Number.isNaN(endpoint.latencyMs)) return Number.NaN
    const elapsedMs = nowMs - endpoint.latencyAtMs
    const w = elapsedMs > 0 ? decayed(elapsedMs / decayMs) : 1
    const failing = endpoint.failureRate * w
    return endpoint.latencyMs * w + failurePenaltyMs * failing * failing
  }

  /** As `expected`, for an endpoint that has nothing to do: a peak has passed. */
  const expectedIdle = ({ usualMs, failureRate, latencyAtMs }: BalancedEndpoint, nowMs: number): number => {
    if (!(failureRate > 0)) return usualMs
    const failing = failureRate * decayed(Math.max(0, nowMs - latencyAtMs) / decayMs)
    return usualMs + failurePenaltyMs * failing * failing
  }

  return {
    pick(endpoints, _key, nowMs) {
      const n = endpoints.length
      if (n < 2) return n - 1
      const i = Math.floor(random() * n)
      const drawn = Math.floor(random() * (n - 1))
      const j = drawn >= i ? drawn + 1 : drawn
      const a = endpoints[i]!
      const b = endpoints[j]!
      if (a.inFlight === 0 && b.inFlight === 0 && a.effectiveWeight === b.effectiveWeight) {
        const difference = expectedIdle(a, nowMs) - expectedIdle(b, nowMs)
        if (difference < IDLE_DIFFERENCE_MS && difference > -IDLE_DIFFERENCE_MS) return i
      }
      const knownA = expected(a, nowMs)
      const knownB = expected(b, nowMs)
      const expectedA = Number.isNaN(knownA) ? unknown(a, knownB) : knownA
      const expectedB = Number.isNaN(knownB) ? unknown(b, knownA) : knownB
      const costA = (expectedA * (a.inFlight + 1)) / a.effectiveWeight
      const costB = (expectedB * (b.inFlight + 1)) / b.effectiveWeight
      if (costA === costB) return a.inFlight <= b.inFlight ? i : j
      return costA < costB ? i : j
    },
    started() {},
    finished: (endpoint, nowMs, latencyMs, outcome) =>
      observeLatency(endpoint, nowMs, latencyMs, outcome, decayMs, failureSay),
  }
}

/** `other` is what the endpoint it is compared with is expected to need; NaN when that is not known either. */
function unknown(endpoint: BalancedEndpoint, other: number): number {
  return endpoint.inFlight === 0 && other < UNKNOWN_LATENCY_MS ? other : UNKNOWN_LATENCY_MS
}
