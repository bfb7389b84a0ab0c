import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts'
import { qualifiedNameErrors } from '../../names.ts'
import type { Service, ServiceSpec } from '../../types/core-v1.gen.ts'

const ONE_DAY_SECONDS = 86_400
const POLICIES = ['Cluster', 'Local']
const DISTRIBUTIONS = ['PreferClose', 'PreferSameNode', 'PreferSameZone']
const ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"

function validateAffinity(spec: ServiceSpec): readonly FieldError[] {
  const { sessionAffinity, sessionAffinityConfig: config } = spec
  if (!sessionAffinity) return [required('spec.sessionAffinity')]
  if (sessionAffinity === 'None') {
    return config === undefined
      ? []
      : [forbidden('spec.sessionAffinityConfig', 'must not be set when session affinity is None')]
  }
  if (sessionAffinity !== 'ClientIP')
    return [notSupported('spec.sessionAffinity', sessionAffinity, ['ClientIP', 'None'])]
  const seconds = config?.clientIP?.timeoutSeconds
  const path = 'spec.sessionAffinityConfig.clientIP.timeoutSeconds'
  if (seconds === undefined) return [required(path)]
  return seconds > 0 && seconds <= ONE_DAY_SECONDS
    ? []
    : [invalid(path, seconds, `must be greater than 0 and less than ${ONE_DAY_SECONDS}`)]
}

function validatePolicies(spec: ServiceSpec): readonly FieldError[] {
  const errors: FieldError[] = []
  const { type, externalTrafficPolicy: external, internalTrafficPolicy: internal } = spec
  const reachable = type === 'NodePort' || type === 'LoadBalancer' || (spec.externalIPs?.length ?? 0) > 0
  if (!reachable && external)
    errors.push(invalid('spec.externalTrafficPolicy', external, 'may only be set for externally-accessible services'))
  else if (reachable && !external) errors.push(required('spec.externalTrafficPolicy'))
  else if (external && !POLICIES.includes(external))
    errors.push(notSupported('spec.externalTrafficPolicy', external, POLICIES))
  if (internal !== undefined && !POLICIES.includes(internal))
    errors.push(notSupported('spec.internalTrafficPolicy', internal, POLICIES))
  if (spec.healthCheckNodePort && !(type === 'LoadBalancer' && external === 'Local')) {
    const text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
    errors.push(invalid('spec.healthCheckNodePort', spec.healthCheckNodePort, text))
  }
  if (spec.trafficDistribution !== undefined && !DISTRIBUTIONS.includes(spec.trafficDistribution))
    errors.push(notSupported('spec.trafficDistribution', spec.trafficDistribution, DISTRIBUTIONS))
  return errors
}

/** Findings on how a Service spreads and lets in traffic. */
export function validateServiceTraffic({ spec = {} }: Service): readonly FieldError[] {
  const errors = [...validateAffinity(spec), ...validatePolicies(spec)]
  const { type, allocateLoadBalancerNodePorts: allocate, loadBalancerClass } = spec
  if (type === 'LoadBalancer' && allocate === undefined) errors.push(required('spec.allocateLoadBalancerNodePorts'))
  if (type !== 'LoadBalancer' && allocate !== undefined)
    errors.push(forbidden('spec.allocateLoadBalancerNodePorts', ONLY_LOAD_BALANCER))
  if (loadBalancerClass !== undefined) {
    if (type !== 'LoadBalancer') errors.push(forbidden('spec.loadBalancerClass', ONLY_LOAD_BALANCER))
    else
      for (const text of qualifiedNameErrors(loadBalancerClass))
        errors.push(invalid('spec.loadBalancerClass', loadBalancerClass, text))
  }
  return errors
}
