import type { Pod, Taint, Toleration } from '../../../api/types/core-v1.gen.ts'
import type { Millis } from '../../../base/clock.ts'

/** Whether a toleration covers a taint; an empty key with Exists covers all, an empty effect any. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false
  if (toleration.key && toleration.key !== taint.key) return false
  const operator = toleration.operator || 'Equal'
  if (operator === 'Exists') return true
  return operator === 'Equal' && Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '')
}

/**
 * How long a pod may stay on a node with these taints, in seconds: 0 when one is not tolerated, undefined for ever. For
 * each taint the pod's first toleration that covers it counts, and of these the shortest.
 */
export function stayLimitSeconds(pod: Pod, taints: readonly Taint[]): number | undefined {
  let limit: number | undefined
  for (const taint of taints.filter(({ effect }) => effect === 'NoExecute')) {
    const toleration = pod.spec?.tolerations?.find((candidate) => tolerates(candidate, taint))
    if (toleration === undefined) return 0
    const { tolerationSeconds } = toleration
    if (tolerationSeconds === undefined) continue
    limit = Math.min(limit ?? Number.POSITIVE_INFINITY, Math.max(0, tolerationSeconds))
  }
  return limit
}

export interface TaintEvictionPlan {
  readonly actions: readonly { readonly kind: 'evict'; readonly why: string }[]
  /** Since when the pod has been on borrowed time; undefined when it is not. Monotonic. */
  readonly since: Millis | undefined
  readonly recheckAt?: Millis
}

/** Whether a pod's time on a tainted node is over. `since` is what the last plan said; times are monotonic. */
export function planTaintEviction(
  pod: Pod,
  taints: readonly Taint[],
  since: Millis | undefined,
  now: Millis,
): TaintEvictionPlan {
  const seconds = stayLimitSeconds(pod, taints)
  if (seconds === undefined || pod.metadata?.deletionTimestamp !== undefined) return { actions: [], since: undefined }
  const start = since ?? now
  const until = start + seconds * 1000
  if (until > now) return { actions: [], since: start, recheckAt: until }
  return { actions: [{ kind: 'evict', why: 'Taint manager: deleting due to NoExecute taint' }], since: start }
}
