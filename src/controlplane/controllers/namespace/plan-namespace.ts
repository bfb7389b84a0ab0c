import { setCondition } from '../../../api/conditions.ts'
import type { Namespace, NamespaceCondition, NamespaceStatus } from '../../../api/types/core-v1.gen.ts'
import type { Millis } from '../../../base/clock.ts'
import { isoSeconds } from '../timestamp.ts'

export const NAMESPACE_FINALIZER = 'kubernetes'

/** What is left of one resource in the namespace. */
export interface Remainder {
  /** `pods`, `deployments.apps` */
  readonly resource: string
  readonly count: number
  /** How many of them wait for each finalizer. */
  readonly finalizers: Readonly<Record<string, number>>
}

export interface NamespaceObservation {
  readonly remaining: readonly Remainder[]
  /** Why content could not be listed or deleted. */
  readonly errors: readonly string[]
}

export type NamespaceAction = {
  readonly kind: 'finalize'
  readonly finalizers: readonly string[]
  readonly why: string
}

function condition(type: string, value: boolean, reason: string, message: string): NamespaceCondition {
  return { type, status: value ? 'True' : 'False', reason, message }
}

function finalizersText(remaining: readonly Remainder[]): string {
  const counts = new Map<string, number>()
  for (const { finalizers } of remaining) {
    for (const [name, count] of Object.entries(finalizers)) counts.set(name, (counts.get(name) ?? 0) + count)
  }
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${name} in ${count} resource instances`)
    .join(', ')
}

function conditionsOf({ remaining, errors }: NamespaceObservation): readonly NamespaceCondition[] {
  const left = remaining
    .filter(({ count }) => count > 0)
    .map(({ resource, count }) => `${resource}${resource.includes('.') ? '' : '.'} has ${count} resource instances`)
    .sort()
    .join(', ')
  const finalizers = finalizersText(remaining)
  return [
    condition(
      'NamespaceDeletionDiscoveryFailure',
      false,
      'ResourcesDiscovered',
      'All resources successfully discovered',
    ),
    condition(
      'NamespaceDeletionGroupVersionParsingFailure',
      false,
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ),
    errors.length > 0
      ? condition(
          'NamespaceDeletionContentFailure',
          true,
          'ContentDeletionFailed',
          `Failed to delete all resource types, ${errors.length} remaining: ${[...errors].sort().join(', ')}`,
        )
      : condition(
          'NamespaceDeletionContentFailure',
          false,
          'ContentDeleted',
          'All content successfully deleted, may be waiting on finalization',
        ),
    left !== ''
      ? condition('NamespaceContentRemaining', true, 'SomeResourcesRemain', `Some resources are remaining: ${left}`)
      : condition('NamespaceContentRemaining', false, 'ContentRemoved', 'All content successfully removed'),
    finalizers !== ''
      ? condition(
          'NamespaceFinalizersRemaining',
          true,
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${finalizers}`,
        )
      : condition(
          'NamespaceFinalizersRemaining',
          false,
          'ContentHasNoFinalizers',
          'All content-preserving finalizers finished',
        ),
  ]
}

/** The status of a namespace that is going away, and whether nothing is left so that it may go. */
export function planNamespace(
  namespace: Namespace,
  observed: NamespaceObservation,
  now: Millis,
): { readonly actions: readonly NamespaceAction[]; readonly status: NamespaceStatus } {
  let conditions = namespace.status?.conditions ?? []
  for (const next of conditionsOf(observed)) conditions = setCondition(conditions, next, isoSeconds(now))
  const status = { ...namespace.status, conditions }
  const empty = observed.errors.length === 0 && observed.remaining.every(({ count }) => count === 0)
  const finalizers = namespace.spec?.finalizers ?? []
  if (!empty || !finalizers.includes(NAMESPACE_FINALIZER)) return { actions: [], status }
  const others = finalizers.filter((finalizer) => finalizer !== NAMESPACE_FINALIZER)
  return { actions: [{ kind: 'finalize', finalizers: others, why: 'all content is gone' }], status }
}
