import { isPodReady } from '../../api/pod-readiness.ts'
import type { Container, ContainerPort, ContainerStatus, Pod } from '../../api/types/core-v1.gen.ts'
import { hostPort, type MetaLabels, metadataLabels, type TargetGroup } from './target-group.ts'

/** What Prometheus knows of a pod. */
function podLabels(pod: Pod): MetaLabels {
  const { metadata, spec, status } = pod
  const controller = metadata?.ownerReferences?.find((owner) => owner.controller === true)
  return {
    __meta_kubernetes_namespace: metadata?.namespace ?? '',
    __meta_kubernetes_pod_name: metadata?.name ?? '',
    __meta_kubernetes_pod_ip: status?.podIP ?? '',
    __meta_kubernetes_pod_ready: String(isPodReady(pod)),
    __meta_kubernetes_pod_phase: status?.phase ?? '',
    __meta_kubernetes_pod_node_name: spec?.nodeName ?? '',
    __meta_kubernetes_pod_host_ip: status?.hostIP ?? '',
    __meta_kubernetes_pod_uid: metadata?.uid ?? '',
    ...metadataLabels('pod', metadata),
    ...(controller === undefined
      ? {}
      : {
          __meta_kubernetes_pod_controller_kind: controller.kind,
          __meta_kubernetes_pod_controller_name: controller.name,
        }),
  }
}

/** What Prometheus knows of a container and one of its ports. */
function containerLabels(
  container: Container,
  statuses: readonly ContainerStatus[] | undefined,
  port: ContainerPort | undefined,
  isInit: boolean,
): MetaLabels {
  return {
    __meta_kubernetes_pod_container_init: String(isInit),
    __meta_kubernetes_pod_container_name: container.name,
    __meta_kubernetes_pod_container_image: container.image ?? '',
    __meta_kubernetes_pod_container_id: statuses?.find(({ name }) => name === container.name)?.containerID ?? '',
    ...(port === undefined
      ? {}
      : {
          __meta_kubernetes_pod_container_port_name: port.name ?? '',
          __meta_kubernetes_pod_container_port_number: String(port.containerPort),
          __meta_kubernetes_pod_container_port_protocol: port.protocol ?? 'TCP',
        }),
  }
}

/** The pod behind an endpoint, and the container that has the port. */
export function backingLabels(pod: Pod | undefined, port: number): MetaLabels {
  if (pod === undefined) return {}
  for (const container of pod.spec?.containers ?? []) {
    const declared = container.ports?.find(({ containerPort }) => containerPort === port)
    if (declared === undefined) continue
    return { ...podLabels(pod), ...containerLabels(container, pod.status?.containerStatuses, declared, false) }
  }
  return podLabels(pod)
}

/** A pod that has an address: a target for each port that its containers declare, and one for each container without. */
export function podTargets(pod: Pod): readonly TargetGroup[] {
  const { spec, status } = pod
  const ip = status?.podIP
  if (ip === undefined || ip === '') return []
  const labels = podLabels(pod)
  const of = (containers: readonly Container[], statuses: readonly ContainerStatus[] | undefined, isInit: boolean) =>
    containers.flatMap((container): readonly TargetGroup[] => {
      const ports: readonly (ContainerPort | undefined)[] = container.ports?.length ? container.ports : [undefined]
      return ports.map((port) => ({
        targets: [port === undefined ? ip : hostPort(ip, port.containerPort)],
        labels: { ...labels, ...containerLabels(container, statuses, port, isInit) },
      }))
    })
  return [
    ...of(spec?.containers ?? [], status?.containerStatuses, false),
    ...of(spec?.initContainers ?? [], status?.initContainerStatuses, true),
  ]
}
