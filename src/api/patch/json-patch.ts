import { StatusError } from '../status-error.ts'
import { isPlainObject, jsonEqual, setOwn } from './plain-object.ts'

/** As kube-apiserver: more operations than this are refused before any work. */
const OPERATIONS_MAX = 10_000
/** Copies may not blow a small document up (CVE-2019-1002100): all of them together add at most this many values. */
const COPIED_VALUES_MAX = 100_000

function malformed(why: string): StatusError {
  return new StatusError('BadRequest', `the JSON patch cannot be used: ${why}`)
}

function failed(why: string): StatusError {
  return new StatusError('Invalid', `the server rejected our request due to an error in our request: ${why}`)
}

function parsePointer(pointer: unknown): readonly string[] {
  if (typeof pointer !== 'string' || (pointer !== '' && !pointer.startsWith('/')))
    throw malformed(`"${String(pointer)}" is no JSON pointer`)
  return pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function indexOf(list: readonly unknown[], token: string, pointer: string, most: number): number {
  if (!/^(0|[1-9]\d{0,9})$/.test(token)) throw failed(`"${token}" in "${pointer}" is no array index`)
  const index = Number(token)
  if (index > most) throw failed(`index ${index} in "${pointer}" is out of bounds (${list.length} elements)`)
  return index
}

function valueAt(document: unknown, tokens: readonly string[], pointer: string): unknown {
  let value = document
  for (const token of tokens) {
    if (Array.isArray(value)) value = value[indexOf(value, token, pointer, value.length - 1)]
    else if (isPlainObject(value) && Object.hasOwn(value, token)) value = value[token]
    else throw failed(`there is nothing at "${pointer}"`)
  }
  return value
}

/** A document like the given one in which the container at the end of the path was changed; the rest is shared. */
function changed(
  document: unknown,
  tokens: readonly string[],
  pointer: string,
  change: (container: unknown, token: string) => unknown,
): unknown {
  const [token, ...rest] = tokens
  if (rest.length === 0) return change(document, token!)
  if (Array.isArray(document)) {
    const index = indexOf(document, token!, pointer, document.length - 1)
    return document.with(index, changed(document[index], rest, pointer, change))
  }
  if (!isPlainObject(document) || !Object.hasOwn(document, token!)) throw failed(`there is nothing at "${pointer}"`)
  const copy: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(document))
    setOwn(copy, key, key === token ? changed(value, rest, pointer, change) : value)
  return copy
}

function add(document: unknown, pointer: string, value: unknown): unknown {
  const tokens = parsePointer(pointer)
  if (tokens.length === 0) return value
  return changed(document, tokens, pointer, (container, token) => {
    if (Array.isArray(container))
      return container.toSpliced(
        token === '-' ? container.length : indexOf(container, token, pointer, container.length),
        0,
        value,
      )
    if (!isPlainObject(container)) throw failed(`"${pointer}" does not point into an object or array`)
    const copy: Record<string, unknown> = {}
    for (const [key, old] of Object.entries(container)) setOwn(copy, key, old)
    setOwn(copy, token, value)
    return copy
  })
}

function remove(document: unknown, pointer: string): unknown {
  const tokens = parsePointer(pointer)
  if (tokens.length === 0) return null
  return changed(document, tokens, pointer, (container, token) => {
    if (Array.isArray(container))
      return container.toSpliced(indexOf(container, token, pointer, container.length - 1), 1)
    if (!isPlainObject(container) || !Object.hasOwn(container, token))
      throw failed(`there is nothing to remove at "${pointer}"`)
    const copy: Record<string, unknown> = {}
    for (const [key, old] of Object.entries(container)) if (key !== token) setOwn(copy, key, old)
    return copy
  })
}

function countValues(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, inner) => sum + countValues(inner), 1)
  return isPlainObject(value) ? Object.values(value).reduce<number>((sum, inner) => sum + countValues(inner), 1) : 1
}

/**
 * JSON patch (RFC 6902): all operations or none. Array indexes with leading zeros and moves into themselves are
 * refused. Throws BadRequest for a malformed patch and Invalid for one that does not fit the document.
 */
export function applyJsonPatch(document: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations)) throw malformed('it is not a list of operations')
  if (operations.length > OPERATIONS_MAX) {
    throw new StatusError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${OPERATIONS_MAX}, got ${operations.length}`,
    )
  }
  let result = document
  let copied = 0
  for (const operation of operations as readonly unknown[]) {
    if (!isPlainObject(operation)) throw malformed('an operation is no object')
    const { op, path, from, value } = operation
    if (typeof path !== 'string') throw malformed('an operation has no path')
    if ((op === 'add' || op === 'replace' || op === 'test') && !Object.hasOwn(operation, 'value'))
      throw malformed(`"${op}" has no value`)
    switch (op) {
      case 'add':
        result = add(result, path, value)
        break
      case 'remove':
        result = remove(result, path)
        break
      case 'replace':
        valueAt(result, parsePointer(path), path)
        result = path === '' ? value : add(remove(result, path), path, value)
        break
      case 'move':
      case 'copy': {
        if (typeof from !== 'string') throw malformed(`"${op}" has no from`)
        if (op === 'move' && path.startsWith(`${from}/`)) throw failed(`"${from}" cannot be moved into itself`)
        const moved = valueAt(result, parsePointer(from), from)
        if (op === 'copy') {
          copied += countValues(moved)
          if (copied > COPIED_VALUES_MAX) throw failed('the copies of this patch are too large')
        }
        result = add(op === 'move' ? remove(result, from) : result, path, moved)
        break
      }
      case 'test':
        if (!jsonEqual(valueAt(result, parsePointer(path), path), value)) throw failed(`testing value ${path} failed`)
        break
      default:
        throw malformed(`"${String(op)}" is no operation`)
    }
  }
  return result
}
