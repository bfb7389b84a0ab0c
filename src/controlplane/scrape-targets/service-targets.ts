import type { Service } from '../../api/types/core-v1.gen.ts'
import { hostPort, type MetaLabels, metadataLabels, type TargetGroup } from './target-group.ts'

/** What Prometheus knows of a Service wherever something belongs to it. */
export function serviceLabels({ metadata }: Service): MetaLabels {
  return {
    __meta_kubernetes_namespace: metadata?.namespace ?? '',
    __meta_kubernetes_service_name: metadata?.name ?? '',
    ...metadataLabels('service', metadata),
  }
}

/** A target for each port of a Service, by its name in the cluster's DNS. */
export function serviceTargets(service: Service): readonly TargetGroup[] {
  const { metadata, spec } = service
  const host = `${metadata?.name}.${metadata?.namespace}.svc`
  const own = {
    ...serviceLabels(service),
    __meta_kubernetes_service_type: spec?.type ?? '',
    ...(spec?.type === 'ExternalName'
      ? { __meta_kubernetes_service_external_name: spec.externalName ?? '' }
      : { __meta_kubernetes_service_cluster_ip: spec?.clusterIP ?? '' }),
  }
  return (spec?.ports ?? []).map(({ name = '', port, protocol = 'TCP' }) => ({
    targets: [hostPort(host, port)],
    labels: {
      ...own,
      __meta_kubernetes_service_port_name: name,
      __meta_kubernetes_service_port_number: String(port),
      __meta_kubernetes_service_port_protocol: protocol,
    },
  }))
}
