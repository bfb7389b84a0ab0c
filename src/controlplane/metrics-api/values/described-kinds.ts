import { type LabelMatcher, matcherOfMap } from '../../../api/label-selector.ts'
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

/** Says to which objects, by key, a part of a pod belongs. */
type Owners = (part: MetricPart, pod: Pod) => readonly string[]

/** A kind of objects that metrics are about. */
export interface DescribedKind {
  readonly type: ResourceType
  /** As the custom metrics API names it: `pods`, `deployments.apps`. */
  readonly resource: string
  /** For one question: what it looks up stays as it is. */
  owners(objects: ClusterObjects): Owners
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
function serviceOwners(objects: ClusterObjects): Owners {
  const selectors = new Map<string, readonly { readonly key: string; readonly matcher: LabelMatcher }[]>()
  const selectorsOf = (namespace: string) => {
    let known = selectors.get(namespace)
    if (known === undefined) {
      known = objects.list<Service>(SERVICES, namespace).flatMap((service) => {
        const { selector } = service.spec ?? {}
        return selector === undefined ? [] : [{ key: objectKey(service), matcher: matcherOfMap(selector) }]
      })
      selectors.set(namespace, known)
    }
    return known
  }
  return ({ namespace, service }, { metadata }) =>
    service === undefined
      ? selectorsOf(namespace).flatMap(({ key, matcher }) => (matcher.matches(metadata?.labels) ? [key] : NONE))
      : [`${namespace}/${service}`]
}

export const DESCRIBED_KINDS: readonly DescribedKind[] = [
  { type: PODS, resource: 'pods', owners: () => (_, pod) => keysOf(pod) },
  { type: SERVICES, resource: 'services', owners: serviceOwners },
  {
    type: DEPLOYMENTS,
    resource: 'deployments.apps',
    owners: (objects) => (_, pod) => keysOf(owner(objects, DEPLOYMENTS, owner(objects, REPLICA_SETS, pod))),
  },
  {
    type: REPLICA_SETS,
    resource: 'replicasets.apps',
    owners: (objects) => (_, pod) => keysOf(owner(objects, REPLICA_SETS, pod)),
  },
  {
    type: NODES,
    resource: 'nodes',
    owners: (objects) => (_, pod) => keysOf(objects.find(NODES, '', pod.spec?.nodeName ?? '')),
  },
  {
    type: NAMESPACES,
    resource: 'namespaces',
    owners:
      (objects) =>
      ({ namespace }) =>
        keysOf(objects.find(NAMESPACES, '', namespace)),
  },
]

/** The kind of a path's resource, with or without its group. */
export function describedKind(resource: string): DescribedKind | undefined {
  return DESCRIBED_KINDS.find((kind) => kind.resource === resource || kind.type.resource === resource)
}
