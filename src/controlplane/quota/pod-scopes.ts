import { podQosClass } from '../../api/pod-requests.ts'
import type {
  Affinity,
  PodAffinityTerm,
  PodSpec,
  ScopedResourceSelectorRequirement,
} from '../../api/types/core-v1.gen.ts'

function usesOtherNamespaces(affinity: Affinity | undefined): boolean {
  const termsOf = (from: Affinity['podAffinity'] | Affinity['podAntiAffinity']): readonly PodAffinityTerm[] => [
    ...(from?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(from?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
  ]
  return [...termsOf(affinity?.podAffinity), ...termsOf(affinity?.podAntiAffinity)].some(
    ({ namespaces, namespaceSelector }) => (namespaces ?? []).length > 0 || namespaceSelector !== undefined,
  )
}

function isInPriority(name: string, { operator, values = [] }: ScopedResourceSelectorRequirement): boolean {
  switch (operator) {
    case 'Exists':
      return name !== ''
    case 'DoesNotExist':
      return name === ''
    case 'In':
      return name !== '' && values.includes(name)
    case 'NotIn':
      // As with labels: what has none is not one of them.
      return !values.includes(name)
    default:
      return false
  }
}

/** Whether a pod is in a scope of a quota. */
export function isPodInScope(spec: PodSpec, scope: ScopedResourceSelectorRequirement): boolean {
  switch (scope.scopeName) {
    case 'Terminating':
      return (spec.activeDeadlineSeconds ?? -1) >= 0
    case 'NotTerminating':
      return (spec.activeDeadlineSeconds ?? -1) < 0
    case 'BestEffort':
      return podQosClass(spec) === 'BestEffort'
    case 'NotBestEffort':
      return podQosClass(spec) !== 'BestEffort'
    case 'PriorityClass':
      return isInPriority(spec.priorityClassName ?? '', scope)
    case 'CrossNamespacePodAffinity':
      return usesOtherNamespaces(spec.affinity)
    default:
      return false
  }
}
