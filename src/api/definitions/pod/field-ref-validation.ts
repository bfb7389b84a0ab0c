import { type FieldError, invalid, notSupported, required } from '../../field-error.ts'
import { qualifiedNameErrors } from '../../names.ts'
import { parseQuantity } from '../../quantity.ts'
import type { ObjectFieldSelector, ResourceFieldSelector } from '../../types/core-v1.gen.ts'

const MAPS = ['metadata.annotations', 'metadata.labels']
/** Fields that have a name at all, though not each of them everywhere. */
const POD_FIELDS = new Set([
  ...MAPS,
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.hostNetwork',
  'spec.nodeName',
  'spec.restartPolicy',
  'spec.schedulerName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.nominatedNodeName',
  'status.phase',
  'status.podIP',
  'status.podIPs',
])
const NANO = 1_000_000_000n
const CPU_DIVISORS = [NANO, NANO / 1_000n]
const BYTE_DIVISORS = [
  NANO,
  ...[1, 2, 3, 4, 5, 6].flatMap((power) => [NANO * 1_000n ** BigInt(power), NANO * 1_024n ** BigInt(power)]),
]

/** Findings on a reference to a field of the pod; `fields` are those that may be named here. */
export function validateFieldRef(
  ref: ObjectFieldSelector,
  path: string,
  fields: readonly string[],
): readonly FieldError[] {
  if (!ref.apiVersion) return [required(`${path}.apiVersion`)]
  if (!ref.fieldPath) return [required(`${path}.fieldPath`)]
  const subscript = /^(.*)\['(.*)'\]$/.exec(ref.fieldPath)
  if (subscript !== null) {
    if (!MAPS.includes(subscript[1]!)) return [invalid(`${path}.fieldPath`, subscript[1], 'does not support subscript')]
    return qualifiedNameErrors(subscript[2]!.toLowerCase()).map((text) => invalid(path, subscript[2], text))
  }
  if (fields.includes(ref.fieldPath)) return []
  if (!POD_FIELDS.has(ref.fieldPath)) {
    const text = `error converting fieldPath: field label not supported: ${ref.fieldPath}`
    return [invalid(`${path}.fieldPath`, ref.fieldPath, text)]
  }
  return [notSupported(`${path}.fieldPath`, ref.fieldPath, fields)]
}

const RESOURCES = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
]

/** Findings on a reference to a container's requests or limits; a volume has to say whose. */
export function validateResourceFieldRef(
  ref: ResourceFieldSelector,
  path: string,
  inVolume: boolean,
): readonly FieldError[] {
  if (inVolume && !ref.containerName) return [required(`${path}.containerName`)]
  if (!ref.resource) return [required(`${path}.resource`)]
  if (!RESOURCES.includes(ref.resource) && !/^(requests|limits)\.hugepages-/.test(ref.resource))
    return [notSupported(`${path}.resource`, ref.resource, RESOURCES)]
  const divisor = ref.divisor === undefined ? 0n : parseQuantity(ref.divisor).nano
  if (divisor === 0n) return []
  const cpu = ref.resource.endsWith('.cpu')
  if ((cpu ? CPU_DIVISORS : BYTE_DIVISORS).includes(divisor)) return []
  const text = cpu
    ? "only divisor's values 1m and 1 are supported with the cpu resource"
    : "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with this resource"
  return [invalid(`${path}.divisor`, ref.divisor, text)]
}
