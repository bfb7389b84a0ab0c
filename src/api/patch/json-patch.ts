import { StatusError } from '../status-error.ts'
import { parsePointer } from './json-pointer.ts'
import { isPlainObject, jsonEqual, setOwn } from './plain-object.ts'
import { patchFailed, WorkingCopy } from './working-copy.ts'

/** As kube-apiserver: more operations than this are refused before any work. */
const OPERATIONS_MAX = 10_000
/** Copies may not blow a small document up (CVE-2019-1002100): all of them together add at most about this many bytes. */
const COPIED_BYTES_MAX = 3 * 1024 * 1024

function malformed(why: string): StatusError {
  return new StatusError('BadRequest', `the JSON patch cannot be used: ${why}`)
}

function tokensOf(pointer: unknown): readonly string[] {
  const tokens = parsePointer(pointer)
  if (tokens === undefined) throw malformed(`${JSON.stringify(pointer)} is no JSON pointer`)
  return tokens
}

/** A deep copy, and about how many bytes of JSON it is. */
function copyOf(value: unknown, size: { bytes: number }): unknown {
  size.bytes += typeof value === 'string' ? value.length + 2 : 6
  if (size.bytes > COPIED_BYTES_MAX)
    throw new StatusError('RequestEntityTooLarge', `the copies of this JSON patch exceed ${COPIED_BYTES_MAX} bytes`)
  if (Array.isArray(value)) return value.map((inner) => copyOf(inner, size))
  if (!isPlainObject(value)) return value
  const copy: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value)) {
    size.bytes += key.length
    setOwn(copy, key, copyOf(inner, size))
  }
  return copy
}

/**
 * JSON patch (RFC 6902): all operations or none. Array indexes with leading zeros and moves into themselves are
 * refused; time, depth and copied bytes are bounded. Throws BadRequest for a malformed patch and Invalid for one that
 * does not fit the document. The input is not changed.
 */
export function applyJsonPatch(document: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations)) throw malformed('it is not a list of operations')
  if (operations.length > OPERATIONS_MAX) {
    throw new StatusError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${OPERATIONS_MAX}, got ${operations.length}`,
    )
  }
  const copy = new WorkingCopy(document)
  const copied = { bytes: 0 }
  for (const operation of operations as readonly unknown[]) applyOperation(copy, copied, operation)
  return copy.root
}

function applyOperation(copy: WorkingCopy, copied: { bytes: number }, operation: unknown): void {
  if (!isPlainObject(operation)) throw malformed('an operation is no object')
  const { op, path, from, value } = operation
  if (typeof path !== 'string') throw malformed('an operation has no path')
  const to = tokensOf(path)
  const needsValue = op === 'add' || op === 'replace' || op === 'test'
  if (needsValue && !Object.hasOwn(operation, 'value')) throw malformed(`"${op}" has no value`)
  if ((op === 'move' || op === 'copy') && typeof from !== 'string') throw malformed(`"${op}" has no from`)
  switch (op) {
    case 'add':
      copy.add(to, path, value)
      break
    case 'remove':
      copy.remove(to, path)
      break
    case 'replace':
      copy.replace(to, path, value)
      break
    case 'copy':
      copy.add(to, path, copyOf(copy.at(tokensOf(from), from as string), copied))
      break
    case 'move': {
      if (path.startsWith(`${from as string}/`)) throw patchFailed(`"${from}" cannot be moved into itself`)
      const moved = copy.at(tokensOf(from), from as string)
      if (path === from) break
      copy.remove(tokensOf(from), from as string)
      copy.add(to, path, moved)
      break
    }
    case 'test': {
      const found = copy.at(to, path)
      if (typeof found === 'object' && found !== null) copy.spend(Object.keys(found).length)
      if (!jsonEqual(found, value)) throw patchFailed(`testing value ${path} failed`)
      break
    }
    default:
      throw malformed(`${JSON.stringify(op)} is no operation`)
  }
}
