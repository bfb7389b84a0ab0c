import { type FieldError, invalid, required } from '../../field-error.ts'
import { qualifiedNameErrors } from '../../names.ts'
import { compareQuantities, parseQuantity } from '../../quantity.ts'
import type { ResourceRequirements } from '../../types/core-v1.gen.ts'

const STANDARD = ['cpu', 'memory', 'ephemeral-storage']
const NANO = 1_000_000_000n

function isStandard(name: string): boolean {
  return STANDARD.includes(name) || name.startsWith('hugepages-')
}

/** Extended resources are counted in whole pieces and never overcommitted. */
function isWhole(name: string): boolean {
  return !isStandard(name) || name.startsWith('hugepages-')
}

/** Findings on the name of something that containers can ask for. */
export function validateResourceName(name: string, path: string): readonly FieldError[] {
  const errors = qualifiedNameErrors(name).map((text) => invalid(path, name, text))
  if (errors.length > 0 || isStandard(name)) return errors
  if (!name.includes('/')) {
    return [
      invalid(path, name, 'must be a standard resource type or fully qualified'),
      invalid(path, name, 'must be a standard resource for containers'),
    ]
  }
  return name.startsWith('kubernetes.io/')
    ? [invalid(path, name, "doesn't follow extended resource name standard")]
    : []
}

function validateAmount(name: string, text: string, path: string): readonly FieldError[] {
  if (compareQuantities(text, '0') < 0) return [invalid(path, text, 'must be greater than or equal to 0')]
  const whole = parseQuantity(text).nano % NANO === 0n
  return !isStandard(name) && !whole ? [invalid(path, text, 'must be an integer')] : []
}

/** Findings on an amount for each resource, as in `overhead`. */
export function validateResourceList(
  list: Readonly<Record<string, string>> | undefined,
  path: string,
): readonly FieldError[] {
  return Object.entries(list ?? {}).flatMap(([name, text]) => [
    ...validateResourceName(name, path),
    ...validateAmount(name, text, `${path}[${name}]`),
  ])
}

/** Findings on a container's requests and limits. */
export function validateResources(resources: ResourceRequirements | undefined, path: string): readonly FieldError[] {
  const { requests = {}, limits = {} } = resources ?? {}
  const errors = [
    ...validateResourceList(limits, `${path}.limits`),
    ...validateResourceList(requests, `${path}.requests`),
  ]
  for (const [name, request] of Object.entries(requests)) {
    const limit = Object.hasOwn(limits, name) ? limits[name] : undefined
    if (limit === undefined) {
      if (isWhole(name)) errors.push(required(`${path}.limits`, 'Limit must be set for non overcommitable resources'))
    } else if (isWhole(name) && compareQuantities(request, limit) !== 0)
      errors.push(invalid(`${path}.requests`, request, `must be equal to ${name} limit of ${limit}`))
    else if (compareQuantities(request, limit) > 0)
      errors.push(invalid(`${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`))
  }
  return errors
}
