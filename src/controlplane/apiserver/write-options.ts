import { invalid, notSupported } from '../../api/field-error.ts'
import { invalidError } from '../../api/status-error.ts'
import type { FieldValidation } from './registry.ts'

const VALIDATIONS: readonly string[] = ['Ignore', 'Strict', 'Warn', '']

/** True when a write is only to be tried. Throws Invalid for anything but `All`. */
export function isDryRun(query: URLSearchParams): boolean {
  if (query.size === 0) return false
  return isDryRunList(query.getAll('dryRun'))
}

/** The same for the list in a body's options. */
export function isDryRunList(values: readonly string[]): boolean {
  for (const value of values) {
    if (value === 'All') return true
    if (value !== '') throw optionError([notSupported('dryRun', [...values], ['All'])])
  }
  return false
}

/** What to do about unknown and doubled fields. Throws Invalid for anything unknown. */
export function fieldValidation(query: URLSearchParams): FieldValidation {
  if (query.size === 0) return 'Warn'
  const value = query.get('fieldValidation') ?? ''
  if (!VALIDATIONS.includes(value))
    throw optionError([invalid('fieldValidation', value, 'must be one of Ignore, Strict, Warn')])
  return value === 'Strict' || value === 'Ignore' ? value : 'Warn'
}

function optionError(errors: Parameters<typeof invalidError>[2]): Error {
  return invalidError({ group: 'meta.k8s.io', kind: 'CreateOptions' }, '', errors)
}
