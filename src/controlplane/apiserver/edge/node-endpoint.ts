import { StatusError } from '../../../api/status-error.ts'
import type { Node } from '../../../api/types/core-v1.gen.ts'
import { inRange, parseCidr } from '../../../base/ipv4.ts'

/** Where the node API of an agent listens. */
export interface NodeEndpoint {
  readonly address: string
  readonly port: number
  /** What its certificate must say. */
  readonly name: string
}

/**
 * The node API of a node's agent. The address comes from the node's status, which its agent writes, so it counts only
 * when it is an address, no name, and lies in the cluster's range. Throws StatusError for any other.
 */
export function nodeEndpoint(node: Node, clusterCidr: string): NodeEndpoint {
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port
  const name = node.metadata?.name ?? ''
  if (address === undefined || port === undefined || !inRange(parseCidr(clusterCidr), address))
    throw new StatusError('InternalError', `node "${name}" has no address that this API server may call`)
  return { address, port, name }
}
