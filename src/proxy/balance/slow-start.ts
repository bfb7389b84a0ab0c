/** How a new endpoint's share grows to its full weight. */
export interface SlowStart {
  readonly windowMs: number
  /** 1: in proportion to time; above: faster at first, below: slower. Default 1. */
  readonly aggression?: number
  /** Share at the beginning, 0 to 1. Default 0.1. */
  readonly minimum?: number
}

/**
 * Factor for the weight of an endpoint that has been ready for `sinceReadyMs`: max(minimum, t^(1/aggression)) with t
 * the part of the window that has passed; 1 after it. Envoy's formula and defaults (SlowStartConfig): caches fill and
 * code warms up under a load that it can bear.
 */
export function slowStartFactor(sinceReadyMs: number, slowStart: SlowStart): number {
  const { windowMs, aggression = 1, minimum = 0.1 } = slowStart
  if (sinceReadyMs >= windowMs) return 1
  if (sinceReadyMs <= 0) return minimum
  return Math.max(minimum, (sinceReadyMs / windowMs) ** (1 / aggression))
}
