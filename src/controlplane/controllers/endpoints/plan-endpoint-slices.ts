import { isPodReady } from '../../../api/pod-readiness.ts'
import { SERVICES } from '../../../api/resource-type.ts'
import type { Pod, Service } from '../../../api/types/core-v1.gen.ts'
import type { Endpoint, EndpointPort, EndpointSlice } from '../../../api/types/discovery-v1.gen.ts'
import { controllerReference } from '../owner-references.ts'
import { diffSlices, type EndpointGroup, groupKey, type SliceAction } from './diff-slices.ts'
import {
  HEADLESS_LABEL,
  hostnameOf,
  isHeadless,
  LAST_CHANGE_TRIGGER_TIME,
  lastTrigger,
  mayBeEndpoint,
  podReference,
  targetPortOf,
} from './service-pods.ts'

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'
export const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by'
export const ENDPOINT_SLICE_CONTROLLER = 'endpointslice-controller.k8s.io'

export interface ServiceObservation {
  /** Pods that the Service selects. */
  readonly pods: readonly Pod[]
  /** Slices of this Service that this controller manages, its own writes included. */
  readonly slices: readonly EndpointSlice[]
  /** The zone of each pod's node, `undefined` for one without; pods on nodes that do not exist are no endpoints. */
  readonly zones: ReadonlyMap<string, string | undefined>
}

function addressTypesOf(service: Service): readonly string[] {
  const families = service.spec?.ipFamilies
  return families === undefined || families.length === 0 ? ['IPv4'] : families
}

function addressesOf(pod: Pod, addressType: string): readonly string[] {
  const ips = pod.status?.podIPs?.map(({ ip }) => ip) ?? [pod.status?.podIP ?? '']
  const [first] = ips.filter((ip) => ip !== '' && ip.includes(':') === (addressType === 'IPv6'))
  return first === undefined ? [] : [first]
}

function portsOf(service: Service, pod: Pod): readonly EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((port): readonly EndpointPort[] => {
    const number = targetPortOf(port, pod)
    if (number === undefined) return []
    const { appProtocol, name = '', protocol = 'TCP' } = port
    return [{ name, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }]
  })
}

/** A pod as an endpoint. A terminating one is never ready, unless the Service publishes those not ready as well. */
function endpointOf(service: Service, pod: Pod, addresses: readonly string[], zone: string | undefined): Endpoint {
  const serving = isPodReady(pod)
  const terminating = pod.metadata?.deletionTimestamp !== undefined
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating)
  const hostname = hostnameOf(pod, service)
  return {
    addresses,
    conditions: { ready, serving, terminating },
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: podReference(pod),
    ...(zone === undefined ? {} : { zone }),
  }
}

/** The Service's own labels, beside those by which slices are found. */
export function sliceLabels(
  labels: Readonly<Record<string, string>> | undefined,
  serviceName: string,
  managedBy: string,
  headless: boolean,
): Readonly<Record<string, string>> {
  const { [HEADLESS_LABEL]: _, ...own } = labels ?? {}
  return {
    ...own,
    [SERVICE_NAME_LABEL]: serviceName,
    [MANAGED_BY_LABEL]: managedBy,
    ...(headless ? { [HEADLESS_LABEL]: '' } : {}),
  }
}

/** Groups the Service's pods by address type and by the ports they offer. */
function groupsOf(service: Service, observed: ServiceObservation): readonly EndpointGroup[] {
  const groups = new Map<string, EndpointGroup & { readonly endpoints: Endpoint[] }>()
  for (const addressType of addressTypesOf(service)) {
    for (const pod of observed.pods) {
      const nodeName = pod.spec?.nodeName ?? ''
      const onNode = nodeName !== '' && observed.zones.has(nodeName)
      const addresses = addressesOf(pod, addressType)
      const placed = onNode || nodeName === '' || service.spec?.publishNotReadyAddresses === true
      if (!mayBeEndpoint(pod) || addresses.length === 0 || !placed) continue
      const ports = portsOf(service, pod)
      const key = groupKey({ addressType, ports })
      const group = groups.get(key) ?? { addressType, ports, endpoints: [] }
      groups.set(key, group)
      group.endpoints.push(endpointOf(service, pod, addresses, observed.zones.get(nodeName)))
    }
  }
  return [...groups.values()]
}

/** What to write so that a Service's slices show its pods as they are now. */
export function planEndpointSlices(
  service: Service,
  observed: ServiceObservation,
): { readonly actions: readonly SliceAction[] } {
  const name = service.metadata?.name ?? ''
  const trigger = lastTrigger(service, observed.pods)
  const actions = diffSlices(groupsOf(service, observed), addressTypesOf(service), observed.slices, {
    generateName: `${name}-`,
    namespace: service.metadata?.namespace,
    labels: sliceLabels(service.metadata?.labels, name, ENDPOINT_SLICE_CONTROLLER, isHeadless(service)),
    ownerReferences: [controllerReference(SERVICES, service)],
    annotations: trigger === undefined ? {} : { [LAST_CHANGE_TRIGGER_TIME]: trigger },
  })
  return { actions }
}
