import type { Draft } from '../../object.ts'
import type { Service, ServicePort } from '../../types/core-v1.gen.ts'
import { semanticEqual } from '../semantic-equal.ts'

type Spec = Draft<NonNullable<Service['spec']>>

function hasClusterIp(service: Service): boolean {
  return service.spec?.type !== 'ExternalName'
}

function hasNodePorts(service: Service): boolean {
  const { type, allocateLoadBalancerNodePorts } = service.spec ?? {}
  return type === 'NodePort' || (type === 'LoadBalancer' && allocateLoadBalancerNodePorts !== false)
}

function hasHealthCheckPort(service: Service): boolean {
  return service.spec?.type === 'LoadBalancer' && service.spec.externalTrafficPolicy === 'Local'
}

/** `clusterIP` and the first of `clusterIPs` are one field in two spellings; whichever was written counts. */
function unifyClusterIps(spec: Spec, previous: Service | undefined): void {
  const before = previous?.spec
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP]
  else if (before !== undefined && spec.clusterIP !== before.clusterIP) {
    const listUnchanged = semanticEqual(spec.clusterIPs, before.clusterIPs)
    if (!spec.clusterIP && listUnchanged) delete spec.clusterIPs
    else if (spec.clusterIP && listUnchanged) spec.clusterIPs = [spec.clusterIP]
  }
}

/** What was allocated once and is not mentioned now is kept. */
function keepAllocated(draft: Draft<Service>, previous: Service): void {
  const spec = draft.spec!
  const before = previous.spec ?? {}
  if (hasClusterIp(draft) && hasClusterIp(previous) && !spec.clusterIP && !spec.clusterIPs?.length) {
    spec.clusterIP = before.clusterIP
    if (before.clusterIPs !== undefined) spec.clusterIPs = [...before.clusterIPs]
  }
  if (hasNodePorts(draft) && hasNodePorts(previous)) {
    const known = new Map((before.ports ?? []).map((port) => [`${port.protocol}/${port.port}`, port.nodePort]))
    const taken = new Set(spec.ports?.map((port) => port.nodePort).filter((port) => port))
    for (const port of spec.ports ?? []) {
      const kept = known.get(`${port.protocol}/${port.port}`)
      if (!port.nodePort && kept && !taken.has(kept)) port.nodePort = kept
    }
  }
  if (hasHealthCheckPort(draft) && hasHealthCheckPort(previous) && !spec.healthCheckNodePort)
    spec.healthCheckNodePort = before.healthCheckNodePort
}

function sameNodePorts(next: readonly ServicePort[] = [], previous: readonly ServicePort[] = []): boolean {
  const known = new Set(previous.map((port) => port.nodePort).filter((port) => port))
  return next.every((port) => !port.nodePort || known.has(port.nodePort))
}

/** What only the previous type needed goes with it, unless the client asks for something new (which is then refused). */
function dropUnneeded(draft: Draft<Service>, previous: Service): void {
  const spec = draft.spec!
  const before = previous.spec ?? {}
  if (hasClusterIp(previous) && !hasClusterIp(draft)) {
    if (semanticEqual(spec.clusterIPs, before.clusterIPs)) {
      delete spec.clusterIP
      delete spec.clusterIPs
    }
    if (semanticEqual(spec.ipFamilies, before.ipFamilies)) delete spec.ipFamilies
    if (spec.ipFamilyPolicy === before.ipFamilyPolicy) delete spec.ipFamilyPolicy
    if (spec.internalTrafficPolicy === before.internalTrafficPolicy) delete spec.internalTrafficPolicy
  }
  if (hasNodePorts(previous) && !hasNodePorts(draft) && sameNodePorts(spec.ports, before.ports))
    for (const port of spec.ports ?? []) delete port.nodePort
  if (
    hasHealthCheckPort(previous) &&
    !hasHealthCheckPort(draft) &&
    spec.healthCheckNodePort === before.healthCheckNodePort
  )
    delete spec.healthCheckNodePort
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === before.allocateLoadBalancerNodePorts)
      delete spec.allocateLoadBalancerNodePorts
    if (spec.loadBalancerClass === before.loadBalancerClass) delete spec.loadBalancerClass
  }
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer' || (spec.externalIPs?.length ?? 0) > 0
  if (!external && spec.externalTrafficPolicy === before.externalTrafficPolicy) delete spec.externalTrafficPolicy
}

export function prepareServiceForCreate(draft: Draft<Service>): void {
  draft.spec ??= {}
  unifyClusterIps(draft.spec, undefined)
  draft.status = { loadBalancer: {} }
}

export function prepareServiceForUpdate(draft: Draft<Service>, previous: Service): void {
  draft.spec ??= {}
  draft.status = previous.status as Draft<Service>['status']
  unifyClusterIps(draft.spec, previous)
  dropUnneeded(draft, previous)
  keepAllocated(draft, previous)
}
