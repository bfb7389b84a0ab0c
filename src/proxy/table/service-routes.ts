import { objectKey } from '../../api/object.ts'
import type { Service, ServicePort } from '../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import { inRange, parseCidr } from '../../base/ipv4.ts'
import { type Candidate, chooseEndpoints, collectEndpoints, terminatingAddresses } from './collect-endpoints.ts'
import {
  type Endpoint,
  type Listener,
  type ListenerKind,
  listenerKey,
  type Refusal,
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
  const terminating = terminatingAddresses(slices)
  const spec = service?.spec
  if (service === undefined || spec === undefined || spec.type === 'ExternalName')
    return { listeners: [], terminating, refusals: [] }
  const refusals: Refusal[] = (spec.externalIPs ?? []).map((ip) => ({
    reason: 'ExternalIPRefused',
    message: `externalIPs are refused, so ${ip} is not served: any address could be taken over with them. Use a Service of type LoadBalancer`,
  }))
  const listeners = (spec.ports ?? []).flatMap((port) => portListeners(service, port, slices, context, refusals))
  return { listeners, terminating, refusals }
}

function portListeners(
  service: Service,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  context: TableContext,
  refusals: Refusal[],
): readonly Listener[] {
  const spec = service.spec!
  const key = objectKey(service)
  const name = port.name ?? ''
  const protocol = port.protocol ?? 'TCP'
  if (protocol !== 'TCP' && protocol !== 'UDP') {
    refusals.push({
      reason: 'ProtocolNotSupported',
      message: `port ${port.port}/${protocol} is not served: TCP and UDP are`,
    })
    return []
  }
  const candidates = dialable(collectEndpoints(slices, name, protocol), key, context, refusals)
  const everywhere = chooseEndpoints(candidates)
  const onNode = (node: string): readonly Endpoint[] =>
    chooseEndpoints(candidates.filter(({ endpoint }) => endpoint.nodeName === node))

  const listener = (kind: ListenerKind, address: string, number: number, more: Partial<Listener> = {}): Listener => ({
    key: listenerKey(protocol, address, number),
    protocol,
    address,
    port: number,
    kind,
    service: key,
    servicePort: `${key}:${name}`,
    endpoints: everywhere,
    endpointsByNode: undefined,
    sourceRanges: undefined,
    affinityMs:
      spec.sessionAffinity === 'ClientIP'
        ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS_DEFAULT) * 1000
        : undefined,
    keepSource: false,
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
    else
      refusals.push({
        reason: 'AddressRefused',
        message: `ClusterIP ${clusterIP} is not in the cluster's service range`,
      })
  }
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer'
  if (!external) return result
  const keepSource = spec.externalTrafficPolicy === 'Local'
  if (port.nodePort !== undefined && port.nodePort !== 0) {
    for (const [index, node] of context.nodes.entries()) {
      const endpoints = keepSource ? onNode(node.name) : everywhere
      result.push(listener('NodePort', node.address, port.nodePort, { endpoints, keepSource }))
      if (index === 0) result.push(listener('NodePort', '127.0.0.1', port.nodePort, { endpoints, keepSource }))
    }
  }
  for (const { ip, ipMode } of service.status?.loadBalancer?.ingress ?? []) {
    // KEP-1860: with `Proxy` something else owns the address and sends on to node ports.
    if (ip === undefined || ipMode === 'Proxy') continue
    if (!inRange(context.loadBalancerRange, ip)) {
      refusals.push({
        reason: 'AddressRefused',
        message: `load balancer address ${ip} is not in the cluster's pool, so it is not served`,
      })
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
  refusals: Refusal[],
): readonly Candidate[] {
  return candidates.filter(({ endpoint: { address, port } }) => {
    if (mayDial(context, service, address, port)) return true
    refusals.push({
      reason: 'EndpointRefused',
      message: `endpoint ${address}:${port} is not used: it is no pod or node of this cluster`,
    })
    return false
  })
}

/** The IPv4 ranges asked for; those of other families admit nobody here. */
function sourceRanges(ranges: readonly string[] | undefined): readonly string[] | undefined {
  if (ranges === undefined || ranges.length === 0) return undefined
  return ranges.map((range) => range.trim()).filter(isIpv4Cidr)
}

function isIpv4Cidr(text: string): boolean {
  try {
    parseCidr(text)
    return true
  } catch {
    return false
  }
}
