import type { BalancedEndpoint } from './balanced-endpoint.ts'
import type { Outcome } from './outcome.ts'

/**
 * Chooses where the next request, or connection, goes. One instance serves one set of endpoints and may keep what it
 * needs between two choices. `E` is what the algorithm must know of an endpoint: `unknown` for those that only count.
 *
 * `endpoints` holds those that may be chosen and nothing else (`eligible-endpoints.ts`); the same array always has
 * the same members with the same `weight`, so an algorithm with a table builds it anew when it is given another array.
 * Nothing here reads a clock or throws dice of its own; `nowMs` is monotonic.
 */
export interface Balancer<E = BalancedEndpoint> {
  /**
   * An index into `endpoints`; -1 when there are none. `key` is a 32-bit hash of what requests shall stick together
   * by (`hash-key.ts`); only the hashing algorithms look at it.
   */
  pick(endpoints: readonly E[], key: number, nowMs: number): number
  /** A request goes to `endpoint`; its `inFlight` already counts it. */
  started(endpoint: E, nowMs: number): void
  /** A request ended `latencyMs` after it started; `inFlight` no longer counts it. Once for each `started`. */
  finished(endpoint: E, nowMs: number, latencyMs: number, outcome: Outcome): void
}
