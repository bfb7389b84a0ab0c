import { type BalancedEndpoint, TRIAL_RUNNING } from './balanced-endpoint.ts'

export interface Eligible {
  readonly endpoints: readonly BalancedEndpoint[]
  /** Too few are left to carry the load: ejections are ignored. */
  readonly panic: boolean
  /** When an ejection ends and the answer may change; Infinity: not by time alone. */
  readonly recheckAtMs: number
}

/**
 * Which of a Service's endpoints may be chosen now, in their order:
 * - one of weight 0 gets nothing, and if all have that there is none;
 * - an endpoint whose pod is ending gets no new request; when all are ending, they still serve (KEP-1669);
 * - an ejected one is left out until its time is over, or, under failure accrual, while its one trial is under way;
 * - when less than `panicThreshold` of them are left (0.5: Envoy's default), all are used: whatever makes most of
 *   them fail is hardly their own fault, and the few that are left would be overrun. 0 turns it off; even then no
 *   request is without an endpoint because all are ejected.
 */
export function eligibleEndpoints(all: readonly BalancedEndpoint[], nowMs: number, panicThreshold: number): Eligible {
  const weighty = all.filter((endpoint) => endpoint.weight > 0)
  const staying = weighty.filter((endpoint) => !endpoint.terminating)
  const serving = staying.length > 0 ? staying : weighty
  let recheckAtMs = Number.POSITIVE_INFINITY
  const healthy = serving.filter((endpoint) => {
    if (endpoint.ejectedUntilMs <= nowMs) return endpoint.trial !== TRIAL_RUNNING
    recheckAtMs = Math.min(recheckAtMs, endpoint.ejectedUntilMs)
    return false
  })
  const panic =
    healthy.length < serving.length && (healthy.length === 0 || healthy.length / serving.length < panicThreshold)
  return { endpoints: panic ? serving : healthy, panic, recheckAtMs }
}
