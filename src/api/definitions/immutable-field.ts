import { type FieldError, invalid } from '../field-error.ts'
import { semanticEqual } from './semantic-equal.ts'

/** The finding on a field that may never change. */
export function immutableField(next: unknown, previous: unknown, path: string): readonly FieldError[] {
  return semanticEqual(next, previous) ? [] : [invalid(path, next ?? null, 'field is immutable')]
}
