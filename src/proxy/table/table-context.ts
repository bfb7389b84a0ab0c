import type { AddressLayout } from '../../base/address-layout.ts'
import { type Ipv4Range, parseCidr, parseIpv4 } from '../../base/ipv4.ts'

/** What a routing table depends on beside Services and EndpointSlices; fixed for the life of the cluster. */
export interface TableContext {
  /** In order; node ports of the first one are served on 127.0.0.1, too. */
  readonly nodes: readonly { readonly name: string; readonly address: string }[]
  readonly serviceRange: Ipv4Range
  readonly loadBalancerRange: Ipv4Range
  readonly podRanges: readonly { readonly node: string; readonly range: Ipv4Range }[]
  /** Where the endpoints of the Service `default/kubernetes` may point, although it is no pod. */
  readonly apiServer: { readonly address: string; readonly port: number }
}

export function tableContext(layout: AddressLayout, apiServer: TableContext['apiServer']): TableContext {
  return {
    nodes: layout.nodes,
    serviceRange: parseCidr(layout.serviceCidr),
    loadBalancerRange: parseCidr(layout.loadBalancerCidr),
    podRanges: layout.nodes.map(({ name, podCidr }) => ({ node: name, range: parseCidr(podCidr) })),
    apiServer,
  }
}

/**
 * Whether traffic for a Service may be sent to this address: pods and nodes of this cluster, and for
 * `default/kubernetes` the API server. Everything else on loopback belongs to the host or to other clusters
 * (CVE-2021-25737), and a Service's own address would make a circle.
 */
export function mayDial(context: TableContext, service: string, address: string, port: number): boolean {
  if (service === 'default/kubernetes' && address === context.apiServer.address) return port === context.apiServer.port
  return nodeOfClient(context, address) !== undefined
}

/** The node a client belongs to, by its address; undefined for the host's own processes, which belong to none. */
export function nodeOfClient(context: TableContext, address: string): string | undefined {
  const number = parseIpv4(address)
  if (number === undefined) return undefined
  const { podRanges, nodes } = context
  const range = podRanges.find(({ range: { first, size } }) => number >= first && number < first + size)
  return range?.node ?? nodes.find((node) => node.address === address)?.name
}
