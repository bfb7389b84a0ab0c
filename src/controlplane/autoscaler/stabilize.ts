import type { HorizontalPodAutoscalerBehavior } from '../../api/types/autoscaling-v2.gen.ts'
import type { Millis } from '../../base/clock.ts'
import type { Recommendation } from './scaling-history.ts'

/** Five minutes, as kube-controller-manager's `--horizontal-pod-autoscaler-downscale-stabilization`. */
const DOWN_WINDOW_MS = 300_000

export interface Stabilized {
  readonly replicas: number
  /** Why it is not what the metrics ask for now. */
  readonly held?: { readonly reason: string; readonly message: string }
}

const HELD_UP = {
  reason: 'ScaleUpStabilized',
  message: 'recent recommendations were lower than current one, applying the lowest recent recommendation',
}
const HELD_DOWN = {
  reason: 'ScaleDownStabilized',
  message: 'recent recommendations were higher than current one, applying the highest recent recommendation',
}

/** Without a behavior only the way down is held: by the highest of the last five minutes. */
function highestRecent(wanted: number, past: readonly Recommendation[], nowMs: Millis): number {
  return Math.max(wanted, ...past.filter(({ atMs }) => atMs >= nowMs - DOWN_WINDOW_MS).map(({ replicas }) => replicas))
}

/**
 * Lets a size change only as far as all recommendations of the direction's window agree: up to the lowest, down to the
 * highest. `past` does not hold `wanted` yet.
 */
export function stabilize(
  wanted: number,
  currentReplicas: number,
  past: readonly Recommendation[],
  behavior: HorizontalPodAutoscalerBehavior | undefined,
  nowMs: Millis,
): Stabilized {
  if (behavior === undefined) {
    const replicas = highestRecent(wanted, past, nowMs)
    return replicas === wanted ? { replicas } : { replicas, held: HELD_DOWN }
  }
  const within = (windowSeconds: number | undefined, otherwiseMs: number): readonly number[] => {
    const windowMs = windowSeconds === undefined ? otherwiseMs : windowSeconds * 1000
    return past.filter(({ atMs }) => atMs > nowMs - windowMs).map(({ replicas }) => replicas)
  }
  const lowest = Math.min(wanted, ...within(behavior.scaleUp?.stabilizationWindowSeconds, 0))
  const highest = Math.max(wanted, ...within(behavior.scaleDown?.stabilizationWindowSeconds, DOWN_WINDOW_MS))
  const replicas = Math.min(Math.max(currentReplicas, lowest), highest)
  if (replicas === wanted) return { replicas }
  return { replicas, held: wanted >= currentReplicas ? HELD_UP : HELD_DOWN }
}
