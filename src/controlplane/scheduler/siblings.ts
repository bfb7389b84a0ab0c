import { type LabelMatcher, labelMatcherOf, matcherOfMap } from '../../api/label-selector.ts'
import type { ReplicaSet } from '../../api/types/apps-v1.gen.ts'
import type { Service } from '../../api/types/core-v1.gen.ts'
import type { PodInfo } from './cluster/pod-info.ts'

export interface SiblingSources {
  services(namespace: string): readonly Service[]
  replicaSet(namespace: string, name: string): ReplicaSet | undefined
}

const matchers = new WeakMap<Service, LabelMatcher | undefined>()

function serviceMatcher(service: Service): LabelMatcher | undefined {
  if (matchers.has(service)) return matchers.get(service)
  const selector = service.spec?.selector ?? {}
  const matcher = Object.keys(selector).length === 0 ? undefined : matcherOfMap(selector)
  matchers.set(service, matcher)
  return matcher
}

/**
 * Selects the pods that a pod should be spread among when it does not say so itself: those that all Services which
 * select it, and the ReplicaSet that owns it, select. Undefined when there are none.
 */
export function siblingsOf(pod: PodInfo, sources: SiblingSources): LabelMatcher | undefined {
  const found: LabelMatcher[] = []
  for (const service of sources.services(pod.namespace)) {
    const matcher = serviceMatcher(service)
    if (matcher?.matches(pod.labels) === true) found.push(matcher)
  }
  const owner = pod.pod.metadata?.ownerReferences?.find(({ controller }) => controller === true)
  if (owner?.kind === 'ReplicaSet' && owner.apiVersion === 'apps/v1') {
    const selector = sources.replicaSet(pod.namespace, owner.name)?.spec?.selector
    if (selector !== undefined) found.push(labelMatcherOf(selector))
  }
  if (found.length < 2) return found[0]
  return {
    matches: (labels) => found.every((matcher) => matcher.matches(labels)),
    text: found.map(({ text }) => text).join(','),
  }
}
