import { objectKey } from '../../api/object.ts'
import type { Service, ServicePort } from '../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import { type Ipv4Range, inRange, parseCidr } from '../../base/ipv4.ts'
import { decodeHttpAnnotations } from '../http-services/decode-http-annotations.ts'
import { httpProtocol } from '../http-services/http-protocol.ts'
import { ineffectiveAnnotations } from '../http-services/ineffective-annotations.ts'
import { addressRoles, type Candidate, chooseEndpoints, collectEndpoints } from './collect-endpoints.ts'
import {
  type Endpoint,
  type HealthCheck,
  type Listener,
  type ListenerKind,
  listenerKey,
  type Refusal,
  reachable,
  type ServiceRoutes,
} from './routing-table.ts'
import { mayDial, type TableContext } from './table-context.ts'

const AFFINITY_SECONDS_DEFAULT = 10_800

/**
 * The listeners of one Service: its ClusterIP, every node's address with the node port, its LoadBalancer addresses.
 * Without a Service (it is gone, or the slices name none) only what is ending matters. Order of input does not.
 */
export function serviceRoutes(
  service: Service | undefined,
  slices: readonly EndpointSlice[],
  context: TableContext,
): ServiceRoutes {
  const spec = service?.spec
  if (service === undefined || spec === undefined || spec.type === 'ExternalName')
    return { listeners: [], addresses: addressRoles(slices, new Set()), refusals: [], healthCheck: undefined }
  const refusals = new Map<string, Refusal>()
  const refuse = (reason: Refusal['reason'], message: string): void => {
    refusals.set(message, { reason, message })
  }
  for (const ip of spec.externalIPs ?? [])
    refuse(
      'ExternalIPRefused',
      `externalIPs are refused, so ${ip} is not served: any address could be taken over with them. Use a Service of type LoadBalancer`,
    )
  for (const message of ineffectiveAnnotations(service)) refuse('InvalidAnnotation', message)
  const listeners = (spec.ports ?? []).flatMap((port) => portListeners(service, port, slices, context, refuse))
  const chosen = new Set(listeners.flatMap((listener) => [...reachable(listener)].map(({ address }) => address)))
  return {
    listeners,
    addresses: addressRoles(slices, chosen),
    refusals: [...refusals.values()].sort((a, b) => (a.message < b.message ? -1 : 1)),
    healthCheck: healthCheckOf(service, slices, context),
  }
}

type Refuse = (reason: Refusal['reason'], message: string) => void

function healthCheckOf(
  service: Service,
  slices: readonly EndpointSlice[],
  context: TableContext,
): HealthCheck | undefined {
  const { type, externalTrafficPolicy, healthCheckNodePort: port } = service.spec!
  if (type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local' || !port) return undefined
  const ready = new Map<string, Set<string>>(context.nodes.map(({ name }) => [name, new Set()]))
  for (const { endpoints = [] } of slices)
    for (const { addresses, conditions, nodeName } of endpoints)
      if (conditions?.ready !== false && addresses[0] !== undefined) ready.get(nodeName ?? '')?.add(addresses[0])
  const endpointsByNode = new Map([...ready].map(([node, addresses]) => [node, addresses.size]))
  return { service: objectKey(service), port, endpointsByNode }
}

function portListeners(
  service: Service,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  context: TableContext,
  refuse: Refuse,
): readonly Listener[] {
  const spec = service.spec!
  const key = objectKey(service)
  const name = port.name ?? ''
  const protocol = port.protocol ?? 'TCP'
  if (protocol !== 'TCP' && protocol !== 'UDP') {
    refuse('ProtocolNotSupported', `port ${port.port}/${protocol} is not served: TCP and UDP are`)
    return []
  }
  const candidates = dialable(collectEndpoints(slices, name, protocol), key, context, refuse)
  const everywhere = chooseEndpoints(candidates)
  const onNode = (node: string): readonly Endpoint[] =>
    chooseEndpoints(candidates.filter(({ endpoint }) => endpoint.nodeName === node))
  const spoken = httpProtocol(port)
  const http = spoken === undefined ? undefined : decodeHttpAnnotations(service, name, spoken)
  for (const message of http?.mistakes ?? []) refuse('InvalidAnnotation', message)

  const listener = (kind: ListenerKind, address: string, number: number, more: Partial<Listener> = {}): Listener => ({
    key: listenerKey(protocol, address, number),
    protocol,
    address,
    port: number,
    kind,
    service: key,
    servicePort: `${key}:${name}`,
    endpoints: everywhere,
    localTo: undefined,
    endpointsByNode: undefined,
    sourceRanges: undefined,
    affinityMs:
      spec.sessionAffinity === 'ClientIP'
        ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS_DEFAULT) * 1000
        : undefined,
    keepSource: false,
    http: http?.options,
    rank: `${service.metadata?.creationTimestamp ?? ''} ${key}`,
    ...more,
  })

  const result: Listener[] = []
  const { clusterIP } = spec
  if (clusterIP !== undefined && clusterIP !== '' && clusterIP !== 'None') {
    const local = spec.internalTrafficPolicy === 'Local'
    const endpointsByNode = local ? new Map(context.nodes.map((node) => [node.name, onNode(node.name)])) : undefined
    if (inRange(context.serviceRange, clusterIP))
      result.push(listener('ClusterIP', clusterIP, port.port, { endpointsByNode }))
    else refuse('AddressRefused', `ClusterIP ${clusterIP} is not in the cluster's service range`)
  }
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer'
  if (!external) return result
  const keepSource = spec.externalTrafficPolicy === 'Local'
  if (port.nodePort !== undefined && port.nodePort !== 0) {
    for (const [index, node] of context.nodes.entries()) {
      const more = keepSource ? { endpoints: onNode(node.name), localTo: node.name, keepSource } : {}
      result.push(listener('NodePort', node.address, port.nodePort, more))
      if (index === 0) result.push(listener('NodePort', '127.0.0.1', port.nodePort, more))
    }
  }
  for (const { ip, ipMode } of service.status?.loadBalancer?.ingress ?? []) {
    // KEP-1860: with `Proxy` something else owns the address and sends on to node ports.
    if (ip === undefined || ipMode === 'Proxy') continue
    if (!inRange(context.loadBalancerRange, ip)) {
      refuse('AddressRefused', `load balancer address ${ip} is not in the cluster's pool, so it is not served`)
      continue
    }
    result.push(
      listener('LoadBalancer', ip, port.port, {
        sourceRanges: sourceRanges(spec.loadBalancerSourceRanges),
        keepSource,
      }),
    )
  }
  return result
}

function dialable(
  candidates: readonly Candidate[],
  service: string,
  context: TableContext,
  refuse: Refuse,
): readonly Candidate[] {
  return candidates.filter(({ endpoint: { address, port } }) => {
    if (mayDial(context, service, address)) return true
    refuse('EndpointRefused', `endpoint ${address}:${port} is not used: it is no pod or node of this cluster`)
    return false
  })
}

/** The IPv4 ranges asked for; those of other families admit nobody here. */
function sourceRanges(ranges: readonly string[] | undefined): readonly Ipv4Range[] | undefined {
  if (ranges === undefined || ranges.length === 0) return undefined
  return ranges.flatMap((range) => {
    try {
      return [parseCidr(range.trim())]
    } catch {
      return []
    }
  })
}
