import type { BalancedEndpoint } from './balanced-endpoint.ts'
import type { Outcome } from './outcome.ts'

/**
 * Takes endpoints out that fail and lets them back in, by writing `ejectedUntilMs` and `trial`. Each method returns
 * whether it did, so that the group asks anew who is eligible. The resilience room implements it.
 */
export interface HealthPolicy {
  started(endpoint: BalancedEndpoint, nowMs: number): boolean
  /** `all` are the endpoints of the group: how many may be out at once depends on how many there are. */
  finished(endpoint: BalancedEndpoint, all: readonly BalancedEndpoint[], nowMs: number, outcome: Outcome): boolean
  /** What is due by time alone. */
  sweep(all: readonly BalancedEndpoint[], nowMs: number): boolean
  /** When `sweep` wants to be called next; Infinity: never. */
  nextSweepAtMs(): number
}
