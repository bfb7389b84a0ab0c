import { isPodReady, isPodTerminal } from '../../../api/pod-readiness.ts'
import type { Container, ObjectReference, Pod, Service, ServicePort } from '../../../api/types/core-v1.gen.ts'

export const HEADLESS_LABEL = 'service.kubernetes.io/headless'
export const LAST_CHANGE_TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time'

export function selects(service: Service, pod: Pod): boolean {
  const selector = service.spec?.selector
  if (selector === undefined || Object.keys(selector).length === 0) return false
  const labels = pod.metadata?.labels ?? {}
  return Object.entries(selector).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
}

/** Endpoints are made for Services that select pods; those of type ExternalName and those without a selector have none. */
export function hasSelector(service: Service): boolean {
  return Object.keys(service.spec?.selector ?? {}).length > 0
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None'
}

/** True for a pod that has an address and has not ended for good. */
export function mayBeEndpoint(pod: Pod): boolean {
  return !isPodTerminal(pod) && (pod.status?.podIP ?? '') !== ''
}

/** The numbers that a target port has on this pod; undefined when no container names it. */
export function targetPortOf(port: ServicePort, pod: Pod): number | undefined {
  const target = port.targetPort ?? port.port
  if (typeof target === 'number') return target === 0 ? port.port : target
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  const containers: readonly Container[] = [...(pod.spec?.containers ?? []), ...sidecars]
  for (const { ports = [] } of containers) {
    for (const { name, containerPort, protocol = 'TCP' } of ports) {
      if (name === target && protocol === (port.protocol ?? 'TCP')) return containerPort
    }
  }
  return undefined
}

export function podReference({ metadata }: Pod): ObjectReference {
  return { kind: 'Pod', namespace: metadata?.namespace, name: metadata?.name, uid: metadata?.uid }
}

/** A pod's own hostname where it has a name within this Service. */
export function hostnameOf(pod: Pod, service: Service): string | undefined {
  const { hostname = '', subdomain } = pod.spec ?? {}
  return hostname !== '' && subdomain === service.metadata?.name ? hostname : undefined
}

/** When what the endpoints show last changed: the newest readiness change of a pod, or the Service's birth. */
export function lastTrigger(service: Service, pods: readonly Pod[]): string | undefined {
  let newest = service.metadata?.creationTimestamp
  for (const { status } of pods) {
    const at = status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime
    if (at !== undefined && (newest === undefined || at > newest)) newest = at
  }
  return newest
}

/** True when a change of the pod can show in endpoints. */
export function endpointsDiffer(before: Pod, after: Pod): boolean {
  return (
    isPodReady(before) !== isPodReady(after) ||
    before.status?.podIP !== after.status?.podIP ||
    JSON.stringify(before.status?.podIPs) !== JSON.stringify(after.status?.podIPs) ||
    isPodTerminal(before) !== isPodTerminal(after) ||
    before.metadata?.deletionTimestamp !== after.metadata?.deletionTimestamp ||
    before.spec?.nodeName !== after.spec?.nodeName ||
    JSON.stringify(before.metadata?.labels) !== JSON.stringify(after.metadata?.labels)
  )
}
