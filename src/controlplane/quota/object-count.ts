import type { KubeObject } from '../../api/object.ts'
import { type Amounts, pieces } from './amounts.ts'
import type { QuotaEvaluator } from './evaluator.ts'

/** Kinds that also have a name from before `count/…`. */
const OLD_NAMES = new Set(['configmaps', 'resourcequotas', 'replicationcontrollers', 'secrets'])

/** `count/deployments.apps`, `count/pods`. */
export function objectCountName(type: { readonly group: string; readonly resource: string }): string {
  return `count/${type.resource}${type.group === '' ? '' : `.${type.group}`}`
}

/** Counts how many objects of a kind are stored. */
export function objectCountEvaluator(type: { readonly group: string; readonly resource: string }): QuotaEvaluator {
  const { group, resource } = type
  const names = [objectCountName(type), ...(group === '' && OLD_NAMES.has(resource) ? [resource] : [])]
  const usage: Amounts = new Map(names.map((name) => [name, pieces(1)]))
  return {
    group,
    resource,
    counts: (name) => names.includes(name),
    charges: (operation, subresource) => operation === 'CREATE' && subresource === '',
    usage: (_: KubeObject) => usage,
    isIn: () => false,
  }
}
