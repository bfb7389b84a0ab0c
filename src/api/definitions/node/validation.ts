import { isIPv4 } from 'node:net'
import { duplicate, type FieldError, forbidden, invalid } from '../../field-error.ts'
import { compareQuantities } from '../../quantity.ts'
import type { Node } from '../../types/core-v1.gen.ts'
import { CLUSTER_LOOPBACK, cidrErrors, validateEndpointAddress } from '../ip-rules.ts'
import { semanticEqual } from '../semantic-equal.ts'
import { validateTaints } from '../taint-rules.ts'

function validatePodCidrs(node: Node): readonly FieldError[] {
  const cidrs = node.spec?.podCIDRs ?? []
  const errors = cidrs.flatMap((cidr, i) => cidrErrors(cidr).map((text) => invalid(`spec.podCIDRs[${i}]`, cidr, text)))
  const tooManyOfOne = cidrs.length === 2 && isIPv4(cidrs[0]!.split('/')[0]!) === isIPv4(cidrs[1]!.split('/')[0]!)
  if (cidrs.length > 2 || tooManyOfOne)
    errors.push(invalid('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family'))
  if (node.spec?.podCIDR && cidrs[0] !== node.spec.podCIDR)
    errors.push(invalid('spec.podCIDRs', cidrs, 'first value must match `podCIDR`'))
  return errors
}

function validateAmounts(amounts: Readonly<Record<string, string>> | undefined, path: string): readonly FieldError[] {
  return Object.entries(amounts ?? {}).flatMap(([name, text]) =>
    compareQuantities(text, '0') < 0 ? [invalid(`${path}[${name}]`, text, 'must be greater than or equal to 0')] : [],
  )
}

/** A node that names a special address as its own would turn whoever dials nodes against it (CVE-2022-3294). */
function validateAddresses(node: Node): readonly FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [i, { type, address }] of (node.status?.addresses ?? []).entries()) {
    const path = `status.addresses[${i}]`
    const identity = `${type}\0${address}`
    if (seen.has(identity)) errors.push(duplicate(path, { type, address }))
    seen.add(identity)
    if (type !== 'InternalIP' && type !== 'ExternalIP') continue
    for (const text of validateEndpointAddress(address ?? '', CLUSTER_LOOPBACK))
      errors.push(invalid(`${path}.address`, address, text))
  }
  return errors
}

export function validateNodeStatus(node: Node): readonly FieldError[] {
  return [
    ...validateAddresses(node),
    ...validateAmounts(node.status?.capacity, 'status.capacity'),
    ...validateAmounts(node.status?.allocatable, 'status.allocatable'),
  ]
}

export function validateNode(node: Node): readonly FieldError[] {
  return [
    ...validateTaints(node.spec?.taints ?? [], 'spec.taints'),
    ...validatePodCidrs(node),
    ...validateNodeStatus(node),
  ]
}

/** What a node was given once it keeps. */
export function validateNodeUpdate(next: Node, previous: Node): readonly FieldError[] {
  const errors: FieldError[] = []
  const [now, before] = [next.spec ?? {}, previous.spec ?? {}]
  if (before.podCIDRs?.length && !semanticEqual(now.podCIDRs, before.podCIDRs))
    errors.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
  if (before.providerID && now.providerID !== before.providerID)
    errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'))
  return errors
}
