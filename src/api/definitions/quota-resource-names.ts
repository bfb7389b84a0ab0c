import { type FieldError, invalid } from '../field-error.ts'
import { qualifiedNameErrors } from '../names.ts'
import { compareQuantities, parseQuantity } from '../quantity.ts'

const NANO = 1_000_000_000n

/** Kinds that a quota counts under their plain names. */
const COUNTED = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]
const COMPUTE = ['cpu', 'memory', 'ephemeral-storage']
const QUOTA_NAMES = new Set([
  ...COUNTED,
  ...COMPUTE,
  ...COMPUTE.flatMap((name) => [`requests.${name}`, `limits.${name}`]),
  'requests.storage',
])

function isHugePages(name: string): boolean {
  return name.startsWith('hugepages-') || name.startsWith('requests.hugepages-')
}

/** True for what Kubernetes itself lets a quota be set on; other names need a domain: `count/deployments.apps`. */
export function isStandardQuotaName(name: string): boolean {
  return QUOTA_NAMES.has(name) || isHugePages(name)
}

/** True for names of Kubernetes' own: without a domain, or in one of `kubernetes.io`. */
export function isNativeResource(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/')
}

/** True for devices and the like, of which nodes say how many they have. */
export function isExtendedResource(name: string): boolean {
  if (isNativeResource(name) || name.startsWith('requests.')) return false
  return qualifiedNameErrors(`requests.${name}`).length === 0
}

/** Findings on the name of any resource: one that Kubernetes knows, or one with a domain. */
export function validateAnyResourceName(name: string, path: string): readonly FieldError[] {
  const errors = qualifiedNameErrors(name).map((text) => invalid(path, name, text))
  if (errors.length > 0 || name.includes('/') || isStandardQuotaName(name) || name === 'storage') return errors
  return [invalid(path, name, 'must be a standard resource type or fully qualified')]
}

/** Findings on what a quota is to be set on. */
export function validateQuotaName(name: string, path: string): readonly FieldError[] {
  const errors = validateAnyResourceName(name, path)
  if (name.includes('/') || isStandardQuotaName(name)) return errors
  return [...errors, invalid(path, name, 'must be a standard resource for quota')]
}

/** Findings on how much of something there may be. */
export function validateQuotaAmount(name: string, text: string, path: string): readonly FieldError[] {
  const errors: FieldError[] = []
  if (compareQuantities(text, '0') < 0) errors.push(invalid(path, text, 'must be greater than or equal to 0'))
  const whole = COUNTED.includes(name) || isExtendedResource(name)
  if (whole && parseQuantity(text).nano % NANO !== 0n) errors.push(invalid(path, text, 'must be an integer'))
  return errors
}
