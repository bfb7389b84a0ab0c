import { type AddressLayout, addressLayout } from '../../base/address-layout.ts'
import { onBridges } from '../../base/bridge-layout.ts'
import type { ClusterRecord } from './cluster-record.ts'

/** Where a cluster's addresses are, and this machine's nodes: of loopback for processes, of bridges for Docker. */
export function layoutOf({
  octet,
  name,
  nodes,
  nodeNumbers,
  runtime,
}: Pick<ClusterRecord, 'octet' | 'name' | 'nodes' | 'nodeNumbers' | 'runtime'>): AddressLayout {
  const loopback = addressLayout(octet, name, nodeNumbers ?? nodes)
  return runtime === 'docker' ? onBridges(loopback) : loopback
}
