import type { AddressLayout } from './address-layout.ts'

/**
 * The same layout in `10.N.0.0/16` instead of loopback, for clusters whose pods have network namespaces of their own: a
 * pod's 127.0.0.0/8 is its own, so nothing that it is to reach can stand there.
 */
export function onBridges(layout: AddressLayout): AddressLayout {
  const moved = (text: string): string => text.replace(/^127\./, '10.')
  return {
    ...layout,
    clusterCidr: moved(layout.clusterCidr),
    serviceCidr: moved(layout.serviceCidr),
    loadBalancerCidr: moved(layout.loadBalancerCidr),
    kubernetesServiceIp: moved(layout.kubernetesServiceIp),
    nodes: layout.nodes.map((node) => ({ ...node, address: moved(node.address), podCidr: moved(node.podCidr) })),
  }
}
