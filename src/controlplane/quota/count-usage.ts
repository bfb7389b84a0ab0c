import type { KubeObject } from '../../api/object.ts'
import type { Quantity } from '../../api/quantity.ts'
import type { ResourceQuota, ResourceQuotaStatus } from '../../api/types/core-v1.gen.ts'
import { addOnto, formatAmounts, ZERO } from './amounts.ts'
import type { QuotaEvaluator } from './evaluator.ts'
import { evaluatorOf } from './evaluators.ts'
import { isInScopes } from './quota-scopes.ts'

/** A kind and all objects of it in the quota's namespace. */
export interface Counted {
  readonly type: { readonly group: string; readonly resource: string }
  readonly objects: readonly KubeObject[]
}

export interface UsageCount {
  readonly status: ResourceQuotaStatus
  /** When something will be used no longer although nothing changes: wall-clock milliseconds. */
  readonly recheckAtMs?: number
}

/** Whether quotas can count a kind at all: events come and go by themselves, and never count. */
export function isCountable(type: { readonly resource: string; readonly namespaced: boolean }): boolean {
  return type.namespaced && type.resource !== 'events'
}

/** Of these kinds, the ones that a quota counts. */
export function countedTypes<T extends Counted['type']>(quota: ResourceQuota, types: readonly T[]): readonly T[] {
  const names = Object.keys(quota.spec?.hard ?? {})
  return types.filter((type) => names.some((name) => evaluatorOf(type).counts(name)))
}

function add(total: Map<string, Quantity>, evaluator: QuotaEvaluator, object: KubeObject, nowMs: number): void {
  for (const [name, quantity] of evaluator.usage(object, nowMs))
    if (total.has(name)) addOnto(total, new Map([[name, quantity]]))
}

/** A quota's status from all that its namespace holds. Names that belong to no kind there is have no usage. */
export function countUsage(quota: ResourceQuota, counted: readonly Counted[], nowMs: number): UsageCount {
  const hard = quota.spec?.hard ?? {}
  const used = new Map<string, Quantity>()
  let recheckAtMs = Number.POSITIVE_INFINITY
  for (const { type, objects } of counted) {
    const evaluator = evaluatorOf(type)
    const names = Object.keys(hard).filter((name) => evaluator.counts(name))
    if (names.length === 0) continue
    const total = new Map(names.map((name) => [name, ZERO]))
    for (const object of objects) {
      if (!isInScopes(quota, evaluator, object)) continue
      add(total, evaluator, object, nowMs)
      const at = evaluator.releasesAtMs?.(object)
      if (at !== undefined && at >= nowMs) recheckAtMs = Math.min(recheckAtMs, at)
    }
    addOnto(used, total)
  }
  const status = { hard, used: formatAmounts(used) }
  return Number.isFinite(recheckAtMs) ? { status, recheckAtMs } : { status }
}
