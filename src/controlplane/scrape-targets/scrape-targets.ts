import { type KubeObject, objectKey } from '../../api/object.ts'
import { ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, type ResourceType, SERVICES } from '../../api/resource-type.ts'
import type { Pod, Service } from '../../api/types/core-v1.gen.ts'
import { endpointSliceTargets } from './endpoint-slice-targets.ts'
import { endpointsTargets } from './endpoints-targets.ts'
import { nodeTargets } from './node-targets.ts'
import { podTargets } from './pod-targets.ts'
import { serviceTargets } from './service-targets.ts'
import type { TargetGroup } from './target-group.ts'

type PodOf = (namespace: string, name: string) => Pod | undefined
type List = <T extends KubeObject>(type: ResourceType<T>) => readonly T[]

/** Characters between two turns of other work. */
const PIECE_CHARACTERS = 64 * 1024
const SERVICE_LABEL = 'kubernetes.io/service-name'

/** Endpoints or slices with what else is known of them; a Service's annotations count for what belongs to it. */
function* belonging<T extends KubeObject>(
  type: ResourceType<T>,
  list: List,
  wants: (object: KubeObject) => boolean,
  make: (object: T, service: Service | undefined, podOf: PodOf) => readonly TargetGroup[],
): Generator<readonly TargetGroup[]> {
  const services = new Map(list<Service>(SERVICES).map((service) => [objectKey(service), service]))
  let pods: ReadonlyMap<string, Pod> | undefined
  const podOf: PodOf = (namespace, name) => {
    pods ??= new Map(list<Pod>(PODS).map((pod) => [objectKey(pod), pod]))
    return pods.get(`${namespace}/${name}`)
  }
  for (const object of list(type)) {
    const { namespace, name, labels } = object.metadata ?? {}
    const service = services.get(`${namespace}/${labels?.[SERVICE_LABEL] ?? name}`)
    if (wants(service ?? object)) yield make(object, service, podOf)
  }
}

function groupsOf(
  role: string,
  list: List,
  wants: (object: KubeObject) => boolean,
): Iterable<readonly TargetGroup[]> | undefined {
  switch (role) {
    case 'node':
      return list(NODES).filter(wants).map(nodeTargets)
    case 'pod':
      return each(list(PODS), wants, podTargets)
    case 'service':
      return each(list(SERVICES), wants, serviceTargets)
    case 'endpointslice':
      return belonging(ENDPOINT_SLICES, list, wants, endpointSliceTargets)
    case 'endpoints':
      return belonging(ENDPOINTS, list, wants, endpointsTargets)
    default:
      return undefined
  }
}

function* each<T extends KubeObject>(
  all: readonly T[],
  wants: (object: T) => boolean,
  make: (object: T) => readonly TargetGroup[],
): Generator<readonly TargetGroup[]> {
  for (const object of all) if (wants(object)) yield make(object)
}

async function* pieces(groups: Iterable<readonly TargetGroup[]>): AsyncGenerator<Uint8Array> {
  let text = '['
  let isFirst = true
  for (const some of groups) {
    for (const group of some) {
      text += `${isFirst ? '' : ',\n'}${JSON.stringify(group)}`
      isFirst = false
    }
    if (text.length < PIECE_CHARACTERS) continue
    yield Buffer.from(text)
    text = ''
    await new Promise((resolve) => setImmediate(resolve))
  }
  yield Buffer.from(`${text}]\n`)
}

/**
 * The targets of a role (`node`, `pod`, `service`, `endpoints`, `endpointslice`) for Prometheus' `http_sd_configs`, under the very
 * labels that its `kubernetes_sd_configs` gives: for builds of it that do not know Kubernetes, as Debian's. The query may
 * narrow it: `namespace`, and `annotation`, which must then be "true". Undefined for any other role.
 */
export function scrapeTargets(
  role: string,
  query: URLSearchParams,
  list: (type: ResourceType) => readonly KubeObject[],
): AsyncIterable<Uint8Array> | undefined {
  const namespace = query.get('namespace')
  const annotation = query.get('annotation')
  const wants = ({ metadata }: KubeObject): boolean =>
    (namespace === null || metadata?.namespace === namespace) &&
    (annotation === null || metadata?.annotations?.[annotation] === 'true')
  const groups = groupsOf(role, list as List, wants)
  return groups === undefined ? undefined : pieces(groups)
}
