import { matcherOfMap } from '../../../api/label-selector.ts'
import { type KubeObject, objectKey } from '../../../api/object.ts'
import {
  DEPLOYMENTS,
  NAMESPACES,
  NODES,
  PODS,
  REPLICA_SETS,
  type ResourceType,
  SERVICES,
} from '../../../api/resource-type.ts'
import type { Pod, Service } from '../../../api/types/core-v1.gen.ts'
import type { OwnerReference } from '../../../api/types/meta-v1.gen.ts'
import type { ClusterObjects } from '../cluster-objects.ts'
import type { MetricPart } from '../metric-source.ts'

/** A kind of objects that metrics are about. */
export interface DescribedKind {
  readonly type: ResourceType
  /** As the custom metrics API names it: `pods`, `deployments.apps`. */
  readonly resource: string
  /** The keys of the objects that a part of the pod belongs to. */
  ownersOf(part: MetricPart, pod: Pod, objects: ClusterObjects): readonly string[]
}

const NONE: readonly string[] = []

function controllerOf(object: KubeObject | undefined, kind: string): OwnerReference | undefined {
  return object?.metadata?.ownerReferences?.find((owner) => owner.controller === true && owner.kind === kind)
}

/** A namesake that came later is not the owner. */
function owner<T extends KubeObject>(
  objects: ClusterObjects,
  type: ResourceType<T>,
  of: KubeObject | undefined,
): T | undefined {
  const reference = controllerOf(of, type.kind)
  const found = reference && objects.find(type, of?.metadata?.namespace ?? '', reference.name)
  return found?.metadata?.uid === reference?.uid ? found : undefined
}

function keysOf(object: KubeObject | undefined): readonly string[] {
  return object === undefined ? NONE : [objectKey(object)]
}

/** What is measured behind a Service belongs to it; what a pod tells of itself to every Service that selects the pod. */
function servicesOf(part: MetricPart, pod: Pod, objects: ClusterObjects): readonly string[] {
  if (part.service !== undefined) return [`${part.namespace}/${part.service}`]
  return objects
    .list<Service>(SERVICES, part.namespace)
    .filter(({ spec }) => spec?.selector !== undefined && matcherOfMap(spec.selector).matches(pod.metadata?.labels))
    .map(objectKey)
}

export const DESCRIBED_KINDS: readonly DescribedKind[] = [
  { type: PODS, resource: 'pods', ownersOf: (_, pod) => keysOf(pod) },
  { type: SERVICES, resource: 'services', ownersOf: servicesOf },
  {
    type: DEPLOYMENTS,
    resource: 'deployments.apps',
    ownersOf: (_, pod, objects) => keysOf(owner(objects, DEPLOYMENTS, owner(objects, REPLICA_SETS, pod))),
  },
  {
    type: REPLICA_SETS,
    resource: 'replicasets.apps',
    ownersOf: (_, pod, objects) => keysOf(owner(objects, REPLICA_SETS, pod)),
  },
  {
    type: NODES,
    resource: 'nodes',
    ownersOf: (_, pod, objects) => keysOf(objects.find(NODES, '', pod.spec?.nodeName ?? '')),
  },
  {
    type: NAMESPACES,
    resource: 'namespaces',
    ownersOf: ({ namespace }, _, objects) => keysOf(objects.find(NAMESPACES, '', namespace)),
  },
]

/** The kind of a path's resource, with or without its group. */
export function describedKind(resource: string): DescribedKind | undefined {
  return DESCRIBED_KINDS.find((kind) => kind.resource === resource || kind.type.resource === resource)
}
