import type { EndpointAddress, Endpoints, Pod, Service } from '../../api/types/core-v1.gen.ts'
import { backingLabels } from './pod-targets.ts'
import { serviceLabels } from './service-targets.ts'
import { hostPort, type MetaLabels, metadataLabels, type TargetGroup } from './target-group.ts'

const PREFIX = '__meta_kubernetes_endpoint'

function addressLabels({ hostname, nodeName, targetRef }: EndpointAddress): MetaLabels {
  return {
    ...(hostname === undefined ? {} : { [`${PREFIX}_hostname`]: hostname }),
    ...(nodeName === undefined ? {} : { [`${PREFIX}_node_name`]: nodeName }),
    ...(targetRef === undefined
      ? {}
      : {
          [`${PREFIX}_address_target_kind`]: targetRef.kind ?? '',
          [`${PREFIX}_address_target_name`]: targetRef.name ?? '',
        }),
  }
}

/** A target for each address and port, ready or not, with what is known of the Service and of the pod behind it. */
export function endpointsTargets(
  { metadata, subsets = [] }: Endpoints,
  service: Service | undefined,
  podOf: (namespace: string, name: string) => Pod | undefined,
): readonly TargetGroup[] {
  const namespace = metadata?.namespace ?? ''
  const own = {
    ...(service === undefined ? {} : serviceLabels(service)),
    __meta_kubernetes_namespace: namespace,
    [`${PREFIX}s_name`]: metadata?.name ?? '',
    ...metadataLabels('endpoints', metadata),
  }
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }) => {
    const all = [
      ...addresses.map((address) => ({ address, ready: 'true' })),
      ...notReadyAddresses.map((address) => ({ address, ready: 'false' })),
    ]
    return all.flatMap(({ address, ready }) => {
      const pod = address.targetRef?.kind === 'Pod' ? podOf(namespace, address.targetRef.name ?? '') : undefined
      return ports.map(({ name = '', port, protocol = 'TCP' }) => ({
        targets: [hostPort(address.ip, port)],
        labels: {
          ...own,
          ...addressLabels(address),
          [`${PREFIX}_ready`]: ready,
          [`${PREFIX}_port_name`]: name,
          [`${PREFIX}_port_protocol`]: protocol,
          ...backingLabels(pod, port),
        },
      }))
    })
  })
}
