import { type FieldError, forbidden, invalid, notSupported, required } from '../../field-error.ts'
import { dns1123SubdomainErrors } from '../../names.ts'
import { validateLabels } from '../../object-meta-validation.ts'
import type { Service } from '../../types/core-v1.gen.ts'
import { ipErrors } from '../ip-rules.ts'
import { validateServiceAddresses } from './address-validation.ts'
import { validateServicePorts } from './port-validation.ts'
import { validateServiceTraffic } from './traffic-validation.ts'

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']

function validateType(type: string | undefined): readonly FieldError[] {
  if (!type) return [required('spec.type')]
  return TYPES.includes(type) ? [] : [notSupported('spec.type', type, TYPES)]
}

export function validateService(service: Service): readonly FieldError[] {
  return [
    ...validateServicePorts(service),
    ...validateLabels(service.spec?.selector, 'spec.selector'),
    ...validateType(service.spec?.type),
    ...validateServiceAddresses(service),
    ...validateServiceTraffic(service),
  ]
}

/** A cluster IP stays for as long as the Service has one. */
export function validateServiceUpdate(next: Service, previous: Service): readonly FieldError[] {
  const errors: FieldError[] = []
  const [now, before] = [next.spec ?? {}, previous.spec ?? {}]
  if (now.type !== 'ExternalName' && before.type !== 'ExternalName' && before.clusterIPs?.length) {
    if (!now.clusterIPs?.length) errors.push(invalid('spec.clusterIPs[0]', [], 'primary clusterIP can not be unset'))
    else if (now.clusterIPs[0] !== before.clusterIPs[0])
      errors.push(invalid('spec.clusterIPs[0]', now.clusterIPs, 'may not change once set'))
  }
  if (
    now.type === 'LoadBalancer' &&
    before.type === 'LoadBalancer' &&
    now.loadBalancerClass !== before.loadBalancerClass
  )
    errors.push(invalid('spec.loadBalancerClass', now.loadBalancerClass ?? null, 'may not change once set'))
  return errors
}

/** Findings on what a controller writes into the status. */
export function validateServiceStatus(next: Service): readonly FieldError[] {
  const errors: FieldError[] = []
  const ingress = next.status?.loadBalancer?.ingress ?? []
  const root = 'status.loadBalancer.ingress'
  if (ingress.length > 0 && next.spec?.type !== 'LoadBalancer')
    errors.push(forbidden(root, 'may only be used when `spec.type` is "LoadBalancer"'))
  for (const [i, { ip, ipMode, hostname }] of ingress.entries()) {
    if (ip) for (const text of ipErrors(ip)) errors.push(invalid(`${root}[${i}].ip`, ip, text))
    if (ip && ipMode === undefined) errors.push(required(`${root}[${i}].ipMode`, 'must be specified when `ip` is set'))
    if (!ip && ipMode !== undefined)
      errors.push(forbidden(`${root}[${i}].ipMode`, 'may not be specified when `ip` is not set'))
    if (ipMode !== undefined && ipMode !== 'VIP' && ipMode !== 'Proxy')
      errors.push(notSupported(`${root}[${i}].ipMode`, ipMode, ['Proxy', 'VIP']))
    if (hostname)
      for (const text of dns1123SubdomainErrors(hostname))
        errors.push(invalid(`${root}[${i}].hostname`, hostname, text))
  }
  return errors
}
