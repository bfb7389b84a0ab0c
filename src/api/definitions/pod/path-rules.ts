import { type FieldError, invalid } from '../../field-error.ts'

/** A path that goes up would leave the volume. */
export function noBacksteps(value: string, path: string): readonly FieldError[] {
  return value.split('/').includes('..') ? [invalid(path, value, "must not contain '..'")] : []
}

/** A path inside a volume: relative, and never up. */
export function descendingPath(value: string, path: string): readonly FieldError[] {
  const absolute = value.startsWith('/') ? [invalid(path, value, 'must be a relative path')] : []
  return [...absolute, ...noBacksteps(value, path)]
}

/** A file's path inside a volume whose own names begin with `..` (`..data`), so that users' must not. */
export function nonReservedPath(value: string, path: string): readonly FieldError[] {
  const errors = descendingPath(value, path)
  if (value.startsWith('..') && value !== '..' && !value.startsWith('../'))
    return [...errors, invalid(path, value, "must not start with '..'")]
  return errors
}
