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
  /** Those of this machine. */
  readonly nodes: readonly NodeAddresses[]
}

export interface NodeAddresses {
  readonly name: string
  readonly address: string
  readonly podCidr: string
}

export const NODE_COUNT_MAX = 100

/** Where the node with this number stands; numbers begin with 1 and addresses are kept for ever. */
export function nodeAddresses(octet: number, clusterName: string, number: number): NodeAddresses {
  return {
    name: `${clusterName}-${number}`,
    address: `127.${octet}.0.${number}`,
    podCidr: `127.${octet}.${128 + number}.0/24`,
  }
}

/** The layout of a cluster with this second octet, as one machine sees it: with its own nodes, 1 to a count or these. */
export function addressLayout(octet: number, clusterName: string, own: number | readonly number[]): AddressLayout {
  const numbers = typeof own === 'number' ? Array.from({ length: own }, (_, index) => index + 1) : own
  const nodes = numbers.map((number) => nodeAddresses(octet, clusterName, number))
  return {
    octet,
    clusterCidr: `127.${octet}.0.0/16`,
    serviceCidr: `127.${octet}.16.0/20`,
    loadBalancerCidr: `127.${octet}.32.0/24`,
    kubernetesServiceIp: `127.${octet}.16.1`,
    nodes,
  }
}
