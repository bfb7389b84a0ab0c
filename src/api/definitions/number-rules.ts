import { type FieldError, invalid } from '../field-error.ts'
import { isPercent } from '../int-or-string.ts'

/** Finding on a count below zero. */
export function nonNegative(value: number | undefined, path: string): readonly FieldError[] {
  return value !== undefined && value < 0 ? [invalid(path, value, 'must be greater than or equal to 0')] : []
}

/** Findings on a count or percentage that has to be at least 0, and at most 100 % where `most100` says so. */
export function nonNegativeIntOrPercent(
  value: number | string | undefined,
  path: string,
  most100: boolean,
): readonly FieldError[] {
  if (value === undefined) return []
  if (typeof value === 'number') return nonNegative(value, path)
  if (!isPercent(value)) {
    const example = `a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')`
    return [invalid(path, value, example)]
  }
  return most100 && Number(value.slice(0, -1)) > 100 ? [invalid(path, value, 'must not be greater than 100%')] : []
}
