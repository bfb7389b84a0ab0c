import type { Pod, Service } from '../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import { backingLabels } from './pod-targets.ts'
import { serviceLabels } from './service-targets.ts'
import { hostPort, type MetaLabels, metadataLabels, type TargetGroup } from './target-group.ts'

const PREFIX = '__meta_kubernetes_endpointslice'

function present(name: string, value: string | boolean | undefined): MetaLabels {
  return value === undefined ? {} : { [`${PREFIX}_${name}`]: String(value) }
}

/**
 * A target for each address and port of a slice, with what is known of its Service and of the pod behind it. Ports that
 * a pod declares and no slice names are not listed here, since role `pod` lists them.
 */
export function endpointSliceTargets(
  slice: EndpointSlice,
  service: Service | undefined,
  podOf: (namespace: string, name: string) => Pod | undefined,
): readonly TargetGroup[] {
  const { metadata, addressType, ports = [], endpoints = [] } = slice
  const namespace = metadata?.namespace ?? ''
  const own = {
    ...(service === undefined ? {} : serviceLabels(service)),
    __meta_kubernetes_namespace: namespace,
    [`${PREFIX}_name`]: metadata?.name ?? '',
    [`${PREFIX}_address_type`]: addressType,
    ...metadataLabels('endpointslice', metadata),
  }
  return endpoints.flatMap(({ addresses, conditions, targetRef, nodeName, hostname, zone }) => {
    const pod = targetRef?.kind === 'Pod' ? podOf(namespace, targetRef.name ?? '') : undefined
    const labels = {
      ...own,
      ...present('endpoint_conditions_ready', conditions?.ready),
      ...present('endpoint_conditions_serving', conditions?.serving),
      ...present('endpoint_conditions_terminating', conditions?.terminating),
      ...present('endpoint_hostname', hostname),
      ...present('endpoint_zone', zone),
      ...present('endpoint_node_name', nodeName),
      ...present('address_target_kind', targetRef?.kind),
      ...present('address_target_name', targetRef?.name),
    }
    return addresses.flatMap((address) =>
      ports.flatMap(({ name = '', port, protocol = 'TCP', appProtocol }): readonly TargetGroup[] => {
        if (port === undefined) return []
        const of = {
          [`${PREFIX}_port`]: String(port),
          [`${PREFIX}_port_name`]: name,
          [`${PREFIX}_port_protocol`]: protocol,
          ...present('port_app_protocol', appProtocol),
        }
        return [{ targets: [hostPort(address, port)], labels: { ...labels, ...of, ...backingLabels(pod, port) } }]
      }),
    )
  })
}
