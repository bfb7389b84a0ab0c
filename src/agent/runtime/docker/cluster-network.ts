/** Where a cluster's pods, nodes and Services stand when its pods run on an engine. */
export interface ClusterNetwork {
  readonly cluster: string
  /** Of the network and its bridge; at most 15 characters, as the kernel has it. */
  readonly bridge: string
  /** All pods, whatever their node. */
  readonly podCidr: string
  /** The bridge's own address and what the engine gives to containers that are none of ours: no pod is ever there. */
  readonly gateway: string
  readonly engineCidr: string
  /** Nodes, Services and load balancers: addresses that programs of this machine listen on. */
  readonly hostCidr: string
  /** One of them. */
  readonly hostAddress: string
}

/** The network of the cluster with this second octet: `10.N.0.0/17` is the machine's, `10.N.128.0/17` the pods'. */
export function clusterNetwork(cluster: string, octet: number): ClusterNetwork {
  return {
    cluster,
    bridge: `wherry${octet}`,
    podCidr: `10.${octet}.128.0/17`,
    gateway: `10.${octet}.128.1`,
    engineCidr: `10.${octet}.128.0/24`,
    hostCidr: `10.${octet}.0.0/17`,
    hostAddress: `10.${octet}.0.1`,
  }
}
