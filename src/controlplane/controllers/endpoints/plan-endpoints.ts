import { isPodReady } from '../../../api/pod-readiness.ts'
import type {
  EndpointAddress,
  EndpointPort,
  EndpointSubset,
  Endpoints,
  Pod,
  Service,
} from '../../../api/types/core-v1.gen.ts'
import { sameValue } from '../same-value.ts'
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

const CAPACITY = 1_000
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity'
export const MANAGED_BY = 'endpoints.kubernetes.io/managed-by'
export const ENDPOINTS_CONTROLLER = 'endpoint-controller'

export type EndpointsAction =
  | { readonly kind: 'createEndpoints'; readonly endpoints: Endpoints; readonly why: string }
  | { readonly kind: 'updateEndpoints'; readonly endpoints: Endpoints; readonly why: string }

interface Subset {
  readonly ready: EndpointAddress[]
  readonly notReady: EndpointAddress[]
  readonly ports: readonly EndpointPort[]
}

function portsOf(service: Service, pod: Pod): readonly EndpointPort[] | undefined {
  const wanted = service.spec?.ports ?? []
  if (wanted.length === 0) return []
  const ports = wanted.flatMap((port): readonly EndpointPort[] => {
    const number = targetPortOf(port, pod)
    if (number === undefined) return []
    const { name, protocol = 'TCP', appProtocol } = port
    const named = name === undefined || name === '' ? {} : { name }
    return [{ ...named, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }]
  })
  ports.sort((a, b) => (portOrder(a) < portOrder(b) ? -1 : 1))
  return ports.length === 0 ? undefined : ports
}

function portOrder({ name = '', port, protocol = '' }: EndpointPort): string {
  return `${name}/${String(port).padStart(5, '0')}/${protocol}`
}

function ofAddress(a: EndpointAddress, b: EndpointAddress): number {
  return a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : (a.targetRef?.uid ?? '') < (b.targetRef?.uid ?? '') ? -1 : 1
}

/** Pods grouped by the ports they offer, ready ones apart from the others. */
function subsetsOf(service: Service, pods: readonly Pod[]): readonly Subset[] {
  const subsets = new Map<string, Subset>()
  const tolerant = service.spec?.publishNotReadyAddresses === true
  for (const pod of pods) {
    if (!mayBeEndpoint(pod) || (pod.metadata?.deletionTimestamp !== undefined && !tolerant)) continue
    const ports = portsOf(service, pod)
    if (ports === undefined) continue
    const key = JSON.stringify(ports)
    const subset = subsets.get(key) ?? { ready: [], notReady: [], ports }
    subsets.set(key, subset)
    const hostname = hostnameOf(pod, service)
    const address: EndpointAddress = {
      ip: pod.status?.podIP ?? '',
      ...(hostname === undefined ? {} : { hostname }),
      ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
      targetRef: podReference(pod),
    }
    if (tolerant || isPodReady(pod)) subset.ready.push(address)
    else subset.notReady.push(address)
  }
  const ordered = [...subsets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, subset]) => subset)
  for (const { ready, notReady } of ordered) {
    ready.sort(ofAddress)
    notReady.sort(ofAddress)
  }
  return ordered
}

/** Keeps at most 1,000 addresses, ready ones first. */
function truncated(subsets: readonly Subset[]): {
  readonly subsets: readonly EndpointSubset[]
  readonly over: boolean
} {
  const total = subsets.reduce((count, { ready, notReady }) => count + ready.length + notReady.length, 0)
  let readyLeft = CAPACITY
  const ready = subsets.map((subset) => {
    const kept = subset.ready.slice(0, readyLeft)
    readyLeft -= kept.length
    return kept
  })
  let left = readyLeft
  const result = subsets.flatMap((subset, i): readonly EndpointSubset[] => {
    const notReady = subset.notReady.slice(0, left)
    left -= notReady.length
    const addresses = ready[i]!
    if (addresses.length + notReady.length === 0) return []
    return [
      {
        ...(addresses.length === 0 ? {} : { addresses }),
        ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }),
        ...(subset.ports.length === 0 ? {} : { ports: subset.ports }),
      },
    ]
  })
  return { subsets: result, over: total > CAPACITY }
}

function labelsOf(service: Service): Readonly<Record<string, string>> {
  const { [HEADLESS_LABEL]: _, ...own } = service.metadata?.labels ?? {}
  return { ...own, [MANAGED_BY]: ENDPOINTS_CONTROLLER, ...(isHeadless(service) ? { [HEADLESS_LABEL]: '' } : {}) }
}

/** What to write so that a Service's Endpoints show its pods as they are now. */
export function planEndpoints(
  service: Service,
  pods: readonly Pod[],
  existing: Endpoints | undefined,
): { readonly actions: readonly EndpointsAction[] } {
  const { subsets, over } = truncated(subsetsOf(service, pods))
  const labels = labelsOf(service)
  const { [OVER_CAPACITY]: capacity, ...annotations } = existing?.metadata?.annotations ?? {}
  const unchanged =
    existing !== undefined &&
    sameValue(existing.subsets ?? [], subsets) &&
    sameValue(existing.metadata?.labels ?? {}, labels) &&
    (capacity === 'truncated') === over
  if (unchanged) return { actions: [] }
  const trigger = lastTrigger(service, pods)
  const endpoints: Endpoints = {
    ...existing,
    metadata: {
      ...(existing?.metadata ?? { namespace: service.metadata?.namespace, name: service.metadata?.name }),
      labels,
      annotations: {
        ...annotations,
        ...(trigger === undefined ? {} : { [LAST_CHANGE_TRIGGER_TIME]: trigger }),
        ...(over ? { [OVER_CAPACITY]: 'truncated' } : {}),
      },
    },
    subsets,
  }
  return existing === undefined
    ? { actions: [{ kind: 'createEndpoints', endpoints, why: 'the Service has none yet' }] }
    : { actions: [{ kind: 'updateEndpoints', endpoints, why: 'its addresses changed' }] }
}
