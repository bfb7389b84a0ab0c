import type { KubeObject } from '../../api/object.ts'
import type { Quantity } from '../../api/quantity.ts'
import type { ResourceQuota } from '../../api/types/core-v1.gen.ts'
import { type Amounts, addQuantities, describeAmounts, formatAmounts, parseAmounts, ZERO } from './amounts.ts'
import type { QuotaEvaluator } from './evaluator.ts'
import { isInScopes } from './quota-scopes.ts'

export interface Charge {
  readonly evaluator: QuotaEvaluator
  readonly object: KubeObject
  /** What is stored now; undefined for a new object. */
  readonly previous: KubeObject | undefined
}

export type ChargeResult =
  /** The quotas that count the object, as they are once it is stored; those of which it uses no more are left out. */
  | { readonly kind: 'charged'; readonly quotas: readonly ResourceQuota[] }
  /** Why the object may not be stored, in Kubernetes' words. */
  | { readonly kind: 'refused'; readonly why: string }

function only(amounts: Amounts, names: (name: string) => boolean): Map<string, Quantity> {
  return new Map([...amounts].filter(([name]) => names(name)))
}

/** What the write adds to what is used. May be less than nothing, where it takes less of something. */
function addedUsage({ evaluator, object, previous }: Charge, nowMs: number): Map<string, Quantity> {
  const added = new Map(evaluator.usage(object, nowMs))
  if (previous === undefined) return added
  for (const [name, { nano, format }] of evaluator.usage(previous, nowMs)) {
    const now = added.get(name)
    added.set(name, { nano: (now?.nano ?? 0n) - nano, format: now?.format ?? format })
  }
  return added
}

/** Why a quota that counts the object cannot even begin to. */
function uncountable(
  quota: ResourceQuota,
  names: readonly string[],
  { evaluator, object }: Charge,
): string | undefined {
  const name = quota.metadata?.name
  const missing = evaluator.missing?.(names, object)
  if (missing !== undefined) return `failed quota: ${name}: ${missing}`
  const used = quota.status?.used ?? {}
  const unknown = names.filter((resource) => !Object.hasOwn(used, resource)).sort()
  return unknown.length === 0 ? undefined : `status unknown for quota: ${name}, resources: ${unknown.join(',')}`
}

/** Whether all quotas of its namespace have room for an object, and what they then hold. */
export function chargeQuotas(quotas: readonly ResourceQuota[], charge: Charge, nowMs: number): ChargeResult {
  const { evaluator, object } = charge
  const concerned: { readonly quota: ResourceQuota; readonly names: readonly string[] }[] = []
  for (const quota of quotas) {
    const names = Object.keys(quota.status?.hard ?? {}).filter((name) => evaluator.counts(name))
    if (names.length === 0 || !isInScopes(quota, evaluator, object)) continue
    const why = uncountable(quota, names, charge)
    if (why !== undefined) return { kind: 'refused', why }
    concerned.push({ quota, names })
  }
  if (concerned.length === 0) return { kind: 'charged', quotas: [] }
  const added = addedUsage(charge, nowMs)
  const charged: ResourceQuota[] = []
  for (const { quota, names } of concerned) {
    // What gives something back is counted anew by the controller, once it is so.
    const raised = only(added, (name) => names.includes(name) && added.get(name)!.nano > 0n)
    if (raised.size === 0) continue
    const used = parseAmounts(quota.status?.used)
    const hard = parseAmounts(quota.status?.hard)
    const after = new Map(used)
    for (const [name, quantity] of raised) after.set(name, addQuantities(used.get(name) ?? ZERO, quantity))
    const exceeded = (name: string): boolean => raised.has(name) && after.get(name)!.nano > hard.get(name)!.nano
    const over = only(raised, exceeded)
    if (over.size > 0) {
      const [was, limit] = [only(used, exceeded), only(hard, exceeded)].map(describeAmounts)
      const why = `exceeded quota: ${quota.metadata?.name}, requested: ${describeAmounts(over)}, used: ${was}, limited: ${limit}`
      return { kind: 'refused', why }
    }
    charged.push({ ...quota, status: { ...quota.status, used: formatAmounts(after) } })
  }
  return { kind: 'charged', quotas: charged }
}
