import type { KubeObject } from '../../api/object.ts'
import type { ResourceQuota } from '../../api/types/core-v1.gen.ts'
import type { QuotaEvaluator } from './evaluator.ts'
import { isInScopes } from './quota-scopes.ts'

/** Whether two versions of an object are the same to a quota: in its scopes or not, and using as much. */
export function sameUsage(
  quota: ResourceQuota,
  evaluator: QuotaEvaluator,
  previous: KubeObject,
  next: KubeObject,
  nowMs: number,
): boolean {
  const within = isInScopes(quota, evaluator, next)
  if (within !== isInScopes(quota, evaluator, previous)) return false
  if (!within) return true
  if (evaluator.releasesAtMs?.(previous) !== evaluator.releasesAtMs?.(next)) return false
  const [before, after] = [evaluator.usage(previous, nowMs), evaluator.usage(next, nowMs)]
  return before.size === after.size && [...after].every(([name, { nano }]) => before.get(name)?.nano === nano)
}
