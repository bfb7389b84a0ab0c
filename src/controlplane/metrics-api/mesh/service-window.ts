import type { Millis } from '../../../base/clock.ts'

/** Rates and means are taken over no less and no more than this. */
export const WINDOW_MS_MIN = 2_000
export const WINDOW_MS_MAX = 10_000
const STEP_MS = 1_000
/** So many requests tell a rate within 5 %, if they come independently of each other (1/√n). */
export const REQUESTS_ENOUGH = 400
/** A gauge is looked at, not counted: a sum of samples of this much tells its mean within an eighth. */
export const GAUGE_ENOUGH = 64

/**
 * The shortest window in which enough was seen of a Service: two seconds where much goes on, so that a step in the load
 * shows at once; ten where chance would decide in a shorter one. `seen` is of all pods and proxies.
 */
export function shortestWindowMs(seen: (windowMs: Millis) => number, enough: number): Millis {
  for (let windowMs = WINDOW_MS_MIN; windowMs < WINDOW_MS_MAX; windowMs += STEP_MS)
    if (seen(windowMs) >= enough) return windowMs
  return WINDOW_MS_MAX
}
