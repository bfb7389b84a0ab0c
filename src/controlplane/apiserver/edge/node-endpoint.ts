import { StatusError } from '../../../api/status-error.ts'
import type { Node } from '../../../api/types/core-v1.gen.ts'

/** Where the node API of an agent listens. */
export interface NodeEndpoint {
  readonly address: string
  readonly port: number
  /** What its certificate must say. */
  readonly name: string
}

/** `127.70.0.0/16` holds `address`? Both are IPv4 and the prefix is a whole number of octets. */
function withinOctets(address: string, cidr: string): boolean {
  const [base, bits] = cidr.split('/')
  const octets = base!.split('.').slice(0, Number(bits) / 8)
  return address.startsWith(`${octets.join('.')}.`)
}

/**
 * The node API of a node's agent. The address comes from the node's status, which its agent writes, so it counts only
 * when it lies in the cluster's range. Throws StatusError for any other.
 */
export function nodeEndpoint(node: Node, clusterCidr: string): NodeEndpoint {
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port
  const name = node.metadata?.name ?? ''
  if (address === undefined || port === undefined || !withinOctets(address, clusterCidr))
    throw new StatusError('InternalError', `node "${name}" has no address that this API server may call`)
  return { address, port, name }
}
