import { duplicate, type FieldError, forbidden, invalid, required } from '../../field-error.ts'
import { qualifiedNameErrors } from '../../names.ts'
import { compareQuantities, parseQuantity } from '../../quantity.ts'
import type { LimitRange, LimitRangeItem } from '../../types/core-v1.gen.ts'
import { validateResourceName } from '../pod/resource-validation.ts'
import { isNativeResource, validateAnyResourceName } from '../quota-resource-names.ts'

const TYPES = ['Container', 'Pod', 'PersistentVolumeClaim']
const LISTS = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const
type ListName = (typeof LISTS)[number]

function validateType(type: string, path: string): readonly FieldError[] {
  const errors = qualifiedNameErrors(type).map((text) => invalid(path, type, text))
  if (errors.length > 0 || type.includes('/') || TYPES.includes(type)) return errors
  return [invalid(path, type, 'must be a standard limit type or fully qualified')]
}

function amount(item: LimitRangeItem, list: ListName, name: string): string | undefined {
  const amounts = item[list] ?? {}
  return Object.hasOwn(amounts, name) ? amounts[name] : undefined
}

/** The ratio of two amounts, for comparison and as Go's `%f` prints it. */
function ratio(max: string, min: string): number {
  return Number(parseQuantity(max).nano) / Number(parseQuantity(min).nano)
}

/** Findings on what the lists say of one resource together. */
function validateTogether(item: LimitRangeItem, name: string, path: string): readonly FieldError[] {
  const isPod = item.type === 'Pod'
  const [min, max, most] = (['min', 'max', 'maxLimitRequestRatio'] as const).map((list) => amount(item, list, name))
  const [limit, request] = (['default', 'defaultRequest'] as const).map((list) =>
    isPod ? undefined : amount(item, list, name),
  )
  const errors: FieldError[] = []
  const refuse = (list: ListName, value: string, why: string): void => {
    errors.push(invalid(`${path}.${list}[${name}]`, value, why))
  }
  const above = (a: string | undefined, b: string | undefined): a is string =>
    a !== undefined && b !== undefined && compareQuantities(a, b) > 0
  if (above(min, max)) refuse('min', min, `min value ${min} is greater than max value ${max}`)
  if (above(min, request))
    refuse('defaultRequest', request!, `min value ${min} is greater than default request value ${request}`)
  if (above(request, max))
    refuse('defaultRequest', request, `default request value ${request} is greater than max value ${max}`)
  if (above(request, limit))
    refuse('defaultRequest', request, `default request value ${request} is greater than default limit value ${limit}`)
  if (above(min, limit)) refuse('default', min, `min value ${min} is greater than default value ${limit}`)
  if (above(limit, max)) refuse('default', max!, `default value ${limit} is greater than max value ${max}`)
  if (most !== undefined) {
    if (compareQuantities(most, '1') < 0) refuse('maxLimitRequestRatio', most, `ratio ${most} is less than 1`)
    if (min !== undefined && max !== undefined && ratio(most, '1') > ratio(max, min))
      refuse('maxLimitRequestRatio', most, `ratio ${most} is greater than max/min = ${ratio(max, min).toFixed(6)}`)
  }
  // Devices and huge pages are never promised twice.
  const overcommits = isNativeResource(name) && !name.startsWith('hugepages-')
  if (!overcommits && limit !== undefined && request !== undefined && compareQuantities(limit, request) !== 0)
    refuse('defaultRequest', request, `default value ${limit} must equal to defaultRequest value ${request} in ${name}`)
  return errors
}

function validateItem(item: LimitRangeItem, path: string): readonly FieldError[] {
  const errors: FieldError[] = [...validateType(item.type, `${path}.type`)]
  const isPod = item.type === 'Pod'
  const nameErrors = isPod || item.type === 'Container' ? validateResourceName : validateAnyResourceName
  const names = new Set<string>()
  for (const list of LISTS) {
    const amounts = Object.keys(item[list] ?? {})
    if (isPod && (list === 'default' || list === 'defaultRequest')) {
      if (amounts.length > 0) errors.push(forbidden(`${path}.${list}`, "may not be specified when `type` is 'Pod'"))
      continue
    }
    for (const name of amounts) {
      names.add(name)
      errors.push(...nameErrors(name, `${path}.${list}[${name}]`))
    }
  }
  if (
    item.type === 'PersistentVolumeClaim' &&
    amount(item, 'min', 'storage') === undefined &&
    amount(item, 'max', 'storage') === undefined
  ) {
    const why = 'either minimum or maximum storage value is required, but neither was provided'
    errors.push(required(`${path}.limits`, why))
  }
  for (const name of names) errors.push(...validateTogether(item, name, path))
  return errors
}

/** All findings on a LimitRange. */
export function validateLimitRange({ spec }: LimitRange): readonly FieldError[] {
  const seen = new Set<string>()
  return (spec?.limits ?? []).flatMap((item, i) => {
    const path = `spec.limits[${i}]`
    const doubled = seen.has(item.type) ? [duplicate(`${path}.type`, item.type)] : []
    seen.add(item.type)
    return [...doubled, ...validateItem(item, path)]
  })
}
