import type { Draft } from '../../object.ts'
import type { Service, ServiceSpec } from '../../types/core-v1.gen.ts'

/** Three hours, in seconds. */
const CLIENT_IP_TIMEOUT_SECONDS = 10_800

function setTrafficPolicies(spec: Draft<ServiceSpec>): void {
  const external = spec.type === 'NodePort' || spec.type === 'LoadBalancer'
  if ((external || (spec.type === 'ClusterIP' && spec.externalIPs?.length)) && !spec.externalTrafficPolicy)
    spec.externalTrafficPolicy = 'Cluster'
  if (spec.type !== 'ExternalName') {
    spec.internalTrafficPolicy ??= 'Cluster'
    if (!spec.ipFamilies?.length) spec.ipFamilies = ['IPv4']
    spec.ipFamilyPolicy ??= 'SingleStack'
  }
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true
}

/** What a Service means when it leaves things out. */
export function setServiceDefaults(draft: Draft<Service>): void {
  draft.spec ??= {}
  draft.status ??= { loadBalancer: {} }
  const spec = draft.spec
  if (!spec.type) spec.type = 'ClusterIP'
  if (!spec.sessionAffinity) spec.sessionAffinity = 'None'
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
  if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig ??= {}
    spec.sessionAffinityConfig.clientIP ??= {}
    spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= CLIENT_IP_TIMEOUT_SECONDS
  }
  for (const port of spec.ports ?? []) {
    if (!port.protocol) port.protocol = 'TCP'
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port
  }
  setTrafficPolicies(spec)
  for (const ingress of draft.status.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP'
}
