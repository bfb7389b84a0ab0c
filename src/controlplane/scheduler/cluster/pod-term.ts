import { type LabelMatcher, labelMatcherOf } from '../../../api/label-selector.ts'
import type { Pod, PodAffinityTerm } from '../../../api/types/core-v1.gen.ts'
import type { LabelSelector } from '../../../api/types/meta-v1.gen.ts'
import { type PodSelector, podSelectorOf } from './pod-selector.ts'
import { bucketOf } from './selector-index.ts'

/** A pod affinity or anti-affinity term, made ready for matching. */
export interface PodTerm {
  readonly topologyKey: string
  readonly namespaces: ReadonlySet<string>
  readonly namespaceMatcher: LabelMatcher | undefined
  readonly selector: PodSelector
  /** Where an index files it, so that the pods it may speak of find it. */
  readonly buckets: readonly string[]
  /** Terms of equal text match the same pods. */
  readonly text: string
}

export interface WeightedPodTerm {
  readonly term: PodTerm
  readonly weight: number
}

type Labels = Readonly<Record<string, string>>
export type NamespaceLabels = (namespace: string) => Labels

/** The selector with the pod's own values for some of its keys put in (KEP-3243, KEP-3633). */
export function withOwnLabels(
  selector: LabelSelector | undefined,
  labels: Labels,
  matchKeys: readonly string[] = [],
  mismatchKeys: readonly string[] = [],
): LabelSelector | undefined {
  if (selector === undefined) return undefined
  const own = (keys: readonly string[], operator: string): LabelSelector['matchExpressions'] =>
    keys.filter((key) => Object.hasOwn(labels, key)).map((key) => ({ key, operator, values: [labels[key]!] }))
  const added = [...own(matchKeys, 'In')!, ...own(mismatchKeys, 'NotIn')!]
  if (added.length === 0) return selector
  return { ...selector, matchExpressions: [...(selector.matchExpressions ?? []), ...added] }
}

export function podTermOf(term: PodAffinityTerm, pod: Pod): PodTerm {
  const { namespaces = [], namespaceSelector, topologyKey, matchLabelKeys, mismatchLabelKeys } = term
  const own = namespaces.length === 0 && namespaceSelector === undefined
  const names = own ? [pod.metadata?.namespace ?? ''] : [...namespaces].sort()
  const namespaceMatcher = namespaceSelector === undefined ? undefined : labelMatcherOf(namespaceSelector)
  const selector = podSelectorOf(
    withOwnLabels(term.labelSelector, pod.metadata?.labels ?? {}, matchLabelKeys, mismatchLabelKeys),
  )
  return {
    topologyKey,
    namespaces: new Set(names),
    namespaceMatcher,
    selector,
    buckets: (namespaceMatcher === undefined ? names : [undefined]).map((name) => bucketOf(name, selector.anchor)),
    text: JSON.stringify([topologyKey, names, namespaceMatcher?.text ?? null, selector.text]),
  }
}

/** Whether a pod of this namespace with these labels is one the term speaks of. */
export function termMatches(term: PodTerm, namespace: string, labels: Labels, labelsOf: NamespaceLabels): boolean {
  const inNamespace = term.namespaces.has(namespace) || term.namespaceMatcher?.matches(labelsOf(namespace)) === true
  return inNamespace && term.selector.matches(labels)
}
