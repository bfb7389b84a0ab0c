import type { BalancedEndpoint } from './balanced-endpoint.ts'
import type { Balancer } from './balancer.ts'
import { SmoothTurns } from './smooth-turns.ts'

export interface ClientSideWrrOptions {
  /** Reports count only after an endpoint has sent them for so long. Default 10,000. */
  readonly blackoutMs?: number
  /** Reports older than that do not count. Default 180,000. */
  readonly expiryMs?: number
  /** Weights are worked out so often. Default 1,000, at least 100. */
  readonly updateMs?: number
  /** How much errors weigh against an endpoint. Default 1. */
  readonly errorPenalty?: number
}

/**
 * In turn, by what the endpoints report about themselves (ORCA; gRFC A58): weight = requests/s ÷ (utilization +
 * errors/s ÷ requests/s · penalty), so each gets as much as makes all equally busy. Those without a valid report weigh
 * as the mean of the others; with fewer than two reports all weigh the same. The endpoint's own weight and slow start
 * multiply it.
 */
export function clientSideWrr(options: ClientSideWrrOptions = {}): Balancer {
  const { blackoutMs = 10_000, expiryMs = 180_000, updateMs = 1_000, errorPenalty = 1 } = options
  const turns = new SmoothTurns<BalancedEndpoint>()
  let updateAtMs = Number.NEGATIVE_INFINITY

  const reportedWeight = (endpoint: BalancedEndpoint, nowMs: number): number => {
    const { utilization, requestRate, errorRate } = endpoint
    if (!(requestRate > 0 && utilization > 0)) return Number.NaN
    if (nowMs - endpoint.reportedAtMs >= expiryMs || nowMs - endpoint.reportedSinceMs < blackoutMs) return Number.NaN
    return requestRate / (utilization + (errorRate > 0 ? (errorRate / requestRate) * errorPenalty : 0))
  }

  const update = (endpoints: readonly BalancedEndpoint[], nowMs: number): void => {
    let sum = 0
    let reports = 0
    for (let i = 0; i < endpoints.length; i++) {
      const weight = reportedWeight(endpoints[i]!, nowMs)
      turns.weights[i] = weight
      if (Number.isNaN(weight)) continue
      sum += weight
      reports += 1
    }
    for (let i = 0; i < endpoints.length; i++) {
      const own = endpoints[i]!.effectiveWeight
      if (reports < 2) turns.weights[i] = own
      else turns.weights[i] = own * (Number.isNaN(turns.weights[i]!) ? sum / reports : turns.weights[i]!)
    }
  }

  return {
    pick(endpoints, _key, nowMs) {
      if (turns.seat(endpoints) || nowMs >= updateAtMs) {
        update(endpoints, nowMs)
        updateAtMs = nowMs + Math.max(100, updateMs)
      }
      return turns.next()
    },
    started() {},
    finished() {},
  }
}

/** An endpoint's report: utilization 0 to 1 (or above, when it is overloaded), requests and errors per second. */
export function reportLoad(
  endpoint: BalancedEndpoint,
  nowMs: number,
  utilization: number,
  requestRate: number,
  errorRate: number,
  expiryMs = 180_000,
): void {
  // After a silence as long as a report lives the blackout begins anew.
  if (nowMs - endpoint.reportedAtMs >= expiryMs) endpoint.reportedSinceMs = nowMs
  endpoint.reportedAtMs = nowMs
  endpoint.utilization = utilization
  endpoint.requestRate = requestRate
  endpoint.errorRate = errorRate
}
