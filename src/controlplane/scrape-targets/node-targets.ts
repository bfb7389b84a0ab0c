import type { Node } from '../../api/types/core-v1.gen.ts'
import { hostPort, metadataLabels, sanitizedName, type TargetGroup } from './target-group.ts'

/** Which address counts when a node has several: as Prometheus chooses. */
const PREFERENCE = ['InternalIP', 'InternalDNS', 'ExternalIP', 'ExternalDNS', 'LegacyHostIP', 'Hostname'] as const

/** A node's agent. */
export function nodeTargets({ metadata, spec, status }: Node): readonly TargetGroup[] {
  const addresses = status?.addresses ?? []
  const port = status?.daemonEndpoints?.kubeletEndpoint?.Port
  const address = PREFERENCE.flatMap((type) => addresses.find((one) => one.type === type) ?? [])[0]?.address
  if (address === undefined || port === undefined) return []
  const name = metadata?.name ?? ''
  const labels: Record<string, string> = {
    instance: name,
    __meta_kubernetes_node_name: name,
    __meta_kubernetes_node_provider_id: spec?.providerID ?? '',
    ...metadataLabels('node', metadata),
  }
  for (const one of addresses) labels[`__meta_kubernetes_node_address_${sanitizedName(one.type)}`] ??= one.address
  return [{ targets: [hostPort(address, port)], labels }]
}
