import { DEFAULT_SCALE_DOWN, DEFAULT_SCALE_UP } from '../../api/definitions/horizontal-pod-autoscaler/defaults.ts'
import type {
  HorizontalPodAutoscalerBehavior,
  HPAScalingPolicy,
  HPAScalingRules,
} from '../../api/types/autoscaling-v2.gen.ts'
import type { Millis } from '../../base/clock.ts'
import type { ScaleChange, ScalingHistory } from './scaling-history.ts'

export interface Limited {
  readonly replicas: number
  /** The reason of ScalingLimited, also when nothing is limited. */
  readonly reason: string
  readonly message: string
}

export interface Bounds {
  readonly min: number
  readonly max: number
}

const WITHIN = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' }
const TOO_MANY = {
  reason: 'TooManyReplicas',
  message: 'the desired replica count is more than the maximum replica count',
}
const TOO_FEW = {
  reason: 'TooFewReplicas',
  message: 'the desired replica count is less than the minimum replica count',
}
const TOO_FAST_UP = {
  reason: 'ScaleUpLimit',
  message: 'the desired replica count is increasing faster than the maximum scale rate',
}
const TOO_FAST_DOWN = {
  reason: 'ScaleDownLimit',
  message: 'the desired replica count is decreasing faster than the maximum scale rate',
}

function changed(changes: readonly ScaleChange[], periodSeconds: number, nowMs: Millis): number {
  const since = nowMs - periodSeconds * 1000
  return changes.reduce((sum, { atMs, count }) => (atMs > since ? sum + count : sum), 0)
}

/** The size at the beginning of a policy's period. */
function baseOf(current: number, { ups, downs }: ScalingHistory, policy: HPAScalingPolicy, nowMs: Millis): number {
  return current - changed(ups, policy.periodSeconds, nowMs) + changed(downs, policy.periodSeconds, nowMs)
}

/** Rounded up, or one pod could never become two. */
function highestOf(base: number, { type, value }: HPAScalingPolicy): number {
  return type === 'Pods' ? base + value : Math.ceil(base * (1 + value / 100))
}

function lowestOf(base: number, { type, value }: HPAScalingPolicy): number {
  return type === 'Pods' ? base - value : Math.trunc(base * (1 - value / 100))
}

type Change = 'up' | 'down'

/** How far the policies let the size go in one direction now; never back behind the current one. */
function policyLimit(
  change: Change,
  rules: HPAScalingRules,
  current: number,
  history: ScalingHistory,
  nowMs: Millis,
): number {
  if (rules.selectPolicy === 'Disabled') return current
  const reach = change === 'up' ? highestOf : lowestOf
  const limits = (rules.policies ?? []).map((policy) => reach(baseOf(current, history, policy, nowMs), policy))
  // `Max` is the greatest change, which is the lowest number on the way down.
  const wantsGreatest = (change === 'up') === (rules.selectPolicy !== 'Min')
  const limit = wantsGreatest ? Math.max(...limits) : Math.min(...limits)
  return change === 'up' ? Math.max(limit, current) : Math.min(limit, current)
}

/** Without a behavior: to twice as many or to 4, and down at once. */
function limitByRules(wanted: number, current: number, bounds: Bounds): Limited {
  const rate = Math.max(2 * current, 4)
  if (wanted < bounds.min) return { replicas: bounds.min, ...TOO_FEW }
  if (wanted > Math.min(bounds.max, rate))
    return bounds.max > rate ? { replicas: rate, ...TOO_FAST_UP } : { replicas: bounds.max, ...TOO_MANY }
  return { replicas: wanted, ...WITHIN }
}

/**
 * Holds a wanted size within the bounds and within what the policies allow, counting what was added and taken away in
 * each policy's period.
 */
export function limitChange(
  wanted: number,
  current: number,
  bounds: Bounds,
  behavior: HorizontalPodAutoscalerBehavior | undefined,
  history: ScalingHistory,
  nowMs: Millis,
): Limited {
  if (behavior === undefined) return limitByRules(wanted, current, bounds)
  if (wanted > current) {
    const limit = policyLimit('up', behavior.scaleUp ?? DEFAULT_SCALE_UP, current, history, nowMs)
    const most = Math.min(bounds.max, limit)
    if (wanted > most) return { replicas: most, ...(bounds.max > limit ? TOO_FAST_UP : TOO_MANY) }
  }
  if (wanted < current) {
    const limit = policyLimit('down', behavior.scaleDown ?? DEFAULT_SCALE_DOWN, current, history, nowMs)
    const least = Math.max(bounds.min, limit)
    if (wanted < least) return { replicas: least, ...(bounds.min < limit ? TOO_FAST_DOWN : TOO_FEW) }
  }
  return { replicas: wanted, ...WITHIN }
}
