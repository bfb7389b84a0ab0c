import type { ReplicaSet } from '../../api/types/apps-v1.gen.ts'
import type { Service } from '../../api/types/core-v1.gen.ts'
import type { PodInfo } from './cluster/pod-info.ts'
import { intersectionOf, type PodSelector, podSelectorOf, podSelectorOfMap } from './cluster/pod-selector.ts'
import { bucketOf } from './cluster/selector-index.ts'

export interface SiblingSources {
  /** Services that `serviceBuckets` files under this bucket. */
  services(bucket: string): readonly Service[]
  replicaSet(namespace: string, name: string): ReplicaSet | undefined
}

const ofService = new WeakMap<Service, PodSelector>()
const ofReplicaSet = new WeakMap<ReplicaSet, PodSelector>()

function serviceSelector(service: Service): PodSelector {
  const selector = ofService.get(service) ?? podSelectorOfMap(service.spec?.selector ?? {})
  ofService.set(service, selector)
  return selector
}

function replicaSetSelector(replicaSet: ReplicaSet): PodSelector {
  const selector = ofReplicaSet.get(replicaSet) ?? podSelectorOf(replicaSet.spec?.selector)
  ofReplicaSet.set(replicaSet, selector)
  return selector
}

/** Where an index files a Service, so that the pods it selects find it; one without a selector selects none. */
export function serviceBuckets(service: Service): readonly string[] {
  const { anchor } = serviceSelector(service)
  return anchor === undefined ? [] : [bucketOf(service.metadata?.namespace, anchor)]
}

/**
 * Selects the pods that a pod should be spread among when it does not say so itself: those that all Services which
 * select it, and the ReplicaSet that owns it, select. Undefined when there are none.
 */
export function siblingsOf(pod: PodInfo, sources: SiblingSources): PodSelector | undefined {
  const found: PodSelector[] = []
  for (const bucket of pod.buckets) {
    for (const service of sources.services(bucket)) {
      const selector = serviceSelector(service)
      if (selector.matches(pod.labels)) found.push(selector)
    }
  }
  const owner = pod.pod.metadata?.ownerReferences?.find(({ controller }) => controller === true)
  if (owner?.kind === 'ReplicaSet' && owner.apiVersion === 'apps/v1') {
    const replicaSet = sources.replicaSet(pod.namespace, owner.name)
    if (replicaSet !== undefined) found.push(replicaSetSelector(replicaSet))
  }
  return intersectionOf(found)
}
