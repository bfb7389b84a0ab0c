/** Where everything of one cluster stands in its own /16 of loopback; see docs/architecture.md. */
export interface AddressLayout {
  /** Second octet of the cluster's range, 64–126. */
  readonly octet: number
  /** `127.N.0.0/16`: nothing outside it is ever dialled for a pod or a Service. */
  readonly clusterCidr: string
  readonly serviceCidr: string
  readonly loadBalancerCidr: string
  /** ClusterIP of the `kubernetes` Service. */
  readonly kubernetesServiceIp: string
  readonly nodes: readonly NodeAddresses[]
}

export interface NodeAddresses {
  readonly name: string
  readonly address: string
  readonly podCidr: string
}

export const NODE_COUNT_MAX = 100

/** The layout of a cluster with this second octet. Nodes are numbered from 1 and keep their addresses for ever. */
export function addressLayout(octet: number, clusterName: string, nodeCount: number): AddressLayout {
  const nodes = Array.from({ length: nodeCount }, (_, index) => ({
    name: `${clusterName}-${index + 1}`,
    address: `127.${octet}.0.${index + 1}`,
    podCidr: `127.${octet}.${128 + index + 1}.0/24`,
  }))
  return {
    octet,
    clusterCidr: `127.${octet}.0.0/16`,
    serviceCidr: `127.${octet}.16.0/20`,
    loadBalancerCidr: `127.${octet}.32.0/24`,
    kubernetesServiceIp: `127.${octet}.16.1`,
    nodes,
  }
}
