import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts'
import { dns1123SubdomainErrors } from '../../names.ts'
import type { Service, ServiceSpec } from '../../types/core-v1.gen.ts'
import { cidrErrors, ipErrors, specialAddressErrors } from '../ip-rules.ts'

const NOT_FOR_EXTERNAL_NAME = 'may not be set for ExternalName services'

function validateExternalName(spec: ServiceSpec): readonly FieldError[] {
  const errors: FieldError[] = []
  if (spec.clusterIPs?.length) errors.push(forbidden('spec.clusterIPs', NOT_FOR_EXTERNAL_NAME))
  if (spec.ipFamilies?.length) errors.push(forbidden('spec.ipFamilies', NOT_FOR_EXTERNAL_NAME))
  if (spec.ipFamilyPolicy !== undefined) errors.push(forbidden('spec.ipFamilyPolicy', NOT_FOR_EXTERNAL_NAME))
  // A trailing dot marks the name as complete.
  const name = (spec.externalName ?? '').replace(/\.$/, '')
  if (name === '') errors.push(required('spec.externalName'))
  else for (const text of dns1123SubdomainErrors(name)) errors.push(invalid('spec.externalName', name, text))
  return errors
}

function validateClusterIps(spec: ServiceSpec): readonly FieldError[] {
  const errors: FieldError[] = []
  const ips = spec.clusterIPs ?? []
  if (spec.clusterIP && ips.length === 0) errors.push(required('spec.clusterIPs'))
  else if (ips.length > 0 && spec.clusterIP !== ips[0])
    errors.push(invalid('spec.clusterIPs', ips, 'first value must match `clusterIP`'))
  if (ips[0] === 'None' && (spec.type === 'NodePort' || spec.type === 'LoadBalancer'))
    errors.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`))
  for (const [i, ip] of ips.entries()) {
    if (ip === 'None') {
      if (i > 0 || ips.length > 1)
        errors.push(invalid('spec.clusterIPs', ips, "'None' must be the first and only value"))
      break
    }
    for (const text of ipErrors(ip)) errors.push(invalid(`spec.clusterIPs[${i}]`, ip, text))
  }
  if (ips.length > 2) errors.push(invalid('spec.clusterIPs', ips, 'may only hold up to 2 values'))
  return errors
}

/** wherry's clusters are IPv4 only. */
function validateFamilies(spec: ServiceSpec): readonly FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
    const path = `spec.ipFamilies[${i}]`
    if (seen.has(family)) errors.push(duplicate(path, family))
    seen.add(family)
    if (family === 'IPv6') errors.push(invalid(path, family, 'not configured on this cluster'))
    else if (family !== 'IPv4') errors.push(notSupported(path, family, ['IPv4', 'IPv6']))
  }
  const policy = spec.ipFamilyPolicy
  if (policy === 'RequireDualStack')
    errors.push(invalid('spec.ipFamilyPolicy', policy, 'this cluster is not configured for dual-stack services'))
  else if (policy !== undefined && policy !== 'SingleStack' && policy !== 'PreferDualStack')
    errors.push(notSupported('spec.ipFamilyPolicy', policy, ['PreferDualStack', 'RequireDualStack', 'SingleStack']))
  return errors
}

/** Findings on the addresses a Service has, asks for or lets in. */
export function validateServiceAddresses({ spec = {} }: Service): readonly FieldError[] {
  const errors =
    spec.type === 'ExternalName'
      ? [...validateExternalName(spec)]
      : [...validateClusterIps(spec), ...validateFamilies(spec)]
  for (const [i, ip] of (spec.externalIPs ?? []).entries()) {
    const found = ipErrors(ip)
    for (const text of found.length > 0 ? found : specialAddressErrors(ip))
      errors.push(invalid(`spec.externalIPs[${i}]`, ip, text))
  }
  if (spec.loadBalancerSourceRanges?.length && spec.type !== 'LoadBalancer')
    errors.push(forbidden('spec.LoadBalancerSourceRanges', "may only be used when `type` is 'LoadBalancer'"))
  else
    for (const [i, range] of (spec.loadBalancerSourceRanges ?? []).entries())
      for (const text of cidrErrors(range.trim()))
        errors.push(invalid(`spec.loadBalancerSourceRanges[${i}]`, range, text))
  return errors
}
