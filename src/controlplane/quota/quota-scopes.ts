import type { KubeObject } from '../../api/object.ts'
import type { ResourceQuota, ScopedResourceSelectorRequirement } from '../../api/types/core-v1.gen.ts'
import type { QuotaEvaluator } from './evaluator.ts'

/** The scopes of a quota in one form, however they are written. */
export function scopesOf({ spec }: ResourceQuota): readonly ScopedResourceSelectorRequirement[] {
  const plain = (spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' }))
  return [...plain, ...(spec?.scopeSelector?.matchExpressions ?? [])]
}

/** Whether a quota is about an object: it is in all of the quota's scopes. */
export function isInScopes(quota: ResourceQuota, evaluator: QuotaEvaluator, object: KubeObject): boolean {
  return scopesOf(quota).every((scope) => evaluator.isIn(scope, object))
}
