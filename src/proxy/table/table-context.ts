import { type AddressLayout, NODE_COUNT_MAX } from '../../base/address-layout.ts'
import { type Ipv4Range, inRange, parseCidr, parseIpv4 } from '../../base/ipv4.ts'

/** What a routing table depends on beside Services and EndpointSlices; fixed for the life of the cluster. */
export interface TableContext {
  /** In order; node ports of the first one are served on 127.0.0.1, too. */
  readonly nodes: readonly { readonly name: string; readonly address: string }[]
  readonly serviceRange: Ipv4Range
  readonly loadBalancerRange: Ipv4Range
  readonly podRanges: readonly { readonly node: string; readonly range: Ipv4Range }[]
  /** Addresses of nodes and of pods of the whole cluster, those of other machines included. */
  readonly targets: readonly Ipv4Range[]
}

/** Where in a cluster's range the first node's address and the first node's pods are, see `nodeAddresses`. */
const FIRST_NODE = 1
const POD_RANGE_SIZE = 256
const FIRST_POD_RANGE = (128 + 1) * POD_RANGE_SIZE

export function tableContext(layout: AddressLayout): TableContext {
  const { first } = parseCidr(layout.clusterCidr)
  return {
    nodes: layout.nodes,
    serviceRange: parseCidr(layout.serviceCidr),
    loadBalancerRange: parseCidr(layout.loadBalancerCidr),
    podRanges: layout.nodes.map(({ name, podCidr }) => ({ node: name, range: parseCidr(podCidr) })),
    targets: [
      { first: first + FIRST_NODE, size: NODE_COUNT_MAX },
      { first: first + FIRST_POD_RANGE, size: NODE_COUNT_MAX * POD_RANGE_SIZE },
    ],
  }
}

/**
 * Whether traffic for a Service may be sent to this address: pods and nodes of this cluster, and for
 * `default/kubernetes`, whose endpoints only the API servers write, wherever they are. Everything else on loopback belongs
 * to the host or to other clusters (CVE-2021-25737), and a Service's own address would make a circle.
 */
export function mayDial({ targets, serviceRange }: TableContext, service: string, address: string): boolean {
  const number = parseIpv4(address)
  if (number === undefined) return false
  if (service === 'default/kubernetes') return !inRange(serviceRange, address)
  return targets.some(({ first, size }) => number >= first && number < first + size)
}

/** The node a client belongs to, by its address; undefined for the host's own processes, which belong to none. */
export function nodeOfClient(context: TableContext, address: string): string | undefined {
  const number = parseIpv4(address)
  if (number === undefined) return undefined
  const { podRanges, nodes } = context
  const range = podRanges.find(({ range: { first, size } }) => number >= first && number < first + size)
  return range?.node ?? nodes.find((node) => node.address === address)?.name
}
