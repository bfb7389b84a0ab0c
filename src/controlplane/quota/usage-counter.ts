import type { KubeObject } from '../../api/object.ts'
import type { Quantity } from '../../api/quantity.ts'
import type {
  ResourceQuota,
  ResourceQuotaStatus,
  ScopedResourceSelectorRequirement,
} from '../../api/types/core-v1.gen.ts'
import { formatAmounts, ZERO } from './amounts.ts'
import { evaluatorOf } from './evaluators.ts'
import { scopesOf } from './quota-scopes.ts'

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
export function countedTypes<T extends { readonly group: string; readonly resource: string }>(
  quota: ResourceQuota,
  types: readonly T[],
): readonly T[] {
  const names = Object.keys(quota.spec?.hard ?? {})
  return types.filter((type) => names.some((name) => evaluatorOf(type).counts(name)))
}

/** Works a quota's status out from all that its namespace holds, some objects after others. */
export class UsageCounter {
  readonly #hard: Readonly<Record<string, string>>
  readonly #scopes: readonly ScopedResourceSelectorRequirement[]
  readonly #nowMs: number
  readonly #used = new Map<string, { nano: bigint; format: Quantity['format'] }>()
  #recheckAtMs = Number.POSITIVE_INFINITY

  constructor(quota: ResourceQuota, nowMs: number) {
    this.#hard = quota.spec?.hard ?? {}
    this.#scopes = scopesOf(quota)
    this.#nowMs = nowMs
  }

  /** Objects of one kind, which the quota counts (`countedTypes`); several calls add up. */
  add(type: { readonly group: string; readonly resource: string }, objects: Iterable<KubeObject>): void {
    const evaluator = evaluatorOf(type)
    // What there is nothing of is used, too: 0.
    for (const name of Object.keys(this.#hard)) {
      if (evaluator.counts(name) && !this.#used.has(name)) this.#used.set(name, { ...ZERO })
    }
    for (const object of objects) {
      if (!this.#scopes.every((scope) => evaluator.isIn(scope, object))) continue
      for (const [name, { nano, format }] of evaluator.usage(object, this.#nowMs)) {
        const total = this.#used.get(name)
        if (total === undefined) continue
        if (total.nano === 0n) total.format = format
        total.nano += nano
      }
      const at = evaluator.releasesAtMs?.(object)
      if (at !== undefined && at >= this.#nowMs) this.#recheckAtMs = Math.min(this.#recheckAtMs, at)
    }
  }

  /** Names that belong to no kind that was added have no usage. */
  count(): UsageCount {
    const status = { hard: this.#hard, used: formatAmounts(this.#used) }
    return Number.isFinite(this.#recheckAtMs) ? { status, recheckAtMs: this.#recheckAtMs } : { status }
  }
}
