import { StatusError } from '../status-error.ts'
import { isPlainObject, setOwn } from './plain-object.ts'

export const DIRECTIVE = '$patch'

export function malformed(why: string): StatusError {
  return new StatusError('BadRequest', `the strategic merge patch cannot be used: ${why}`)
}

/** The `$patch` of an object in a strategic merge patch. Throws BadRequest for an unknown one. */
export function directiveOf(patch: Readonly<Record<string, unknown>>): 'replace' | 'delete' | 'merge' | undefined {
  const directive = patch[DIRECTIVE]
  if (directive === undefined || directive === 'replace' || directive === 'delete' || directive === 'merge')
    return directive
  throw malformed(`unknown patch type: ${JSON.stringify(directive)}`)
}

/** A value as it is stored: without directives, nulls and elements that were only there to be deleted. */
export function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value))
    return value.filter((item) => !(isPlainObject(item) && item[DIRECTIVE] === 'delete')).map(withoutDirectives)
  if (!isPlainObject(value)) return value
  const copy: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value))
    if (!key.startsWith('$') && inner !== null) setOwn(copy, key, withoutDirectives(inner))
  return copy
}
