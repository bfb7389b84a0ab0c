import { isRawInteger } from '../json.ts'
import type { Draft, KubeObject } from '../object.ts'
import { canonicalQuantity } from '../quantity.ts'
import { StatusError } from '../status-error.ts'
import { canonicalTimestamp } from '../timestamp.ts'
import { goFieldOf, goTypeOf } from './go-type.ts'
import { type SchemaNode, schemaOf } from './schema-table.ts'

export interface Decoded {
  /** A new, writable object that shares nothing with the input. */
  readonly object: Draft<KubeObject>
  /** Paths (`spec.containers[0].foo`) of the first hundred fields that the schema does not know; all are left out. */
  readonly unknownFields: readonly string[]
}

/** Where the walk stands: keys and indexes from the root; entries past the current depth are left over. */
interface Walk {
  readonly path: (string | number)[]
  readonly unknown: string[]
}

const UNKNOWN_MAX = 100

class WrongTypeError extends Error {
  readonly node: SchemaNode
  readonly depth: number
  readonly value: unknown

  constructor(node: SchemaNode, depth: number, value: unknown) {
    super()
    this.node = node
    this.depth = depth
    this.value = value
  }
}

/** A type with its own reader in Go refuses a value without saying where it stood. */
class WrongFormError extends Error {}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawInteger(value)
}

/** Go's word for what was found. */
function foundType(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (isRawInteger(value) || typeof value === 'number') return 'number'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

function numberText(value: unknown): string {
  return isRawInteger(value) ? value.rawJSON : String(value)
}

/** Nobody reads more of a path; keys may be megabytes long. */
const PATH_LENGTH_MAX = 500

function pathText(path: readonly (string | number)[], depth: number): string {
  let text = ''
  for (let i = 0; i <= depth; i++) {
    if (text.length > PATH_LENGTH_MAX) return `${text.slice(0, PATH_LENGTH_MAX)}…`
    const key = path[i]!
    text += typeof key === 'number' ? `[${key}]` : text === '' ? key : `.${key}`
  }
  return text.length > PATH_LENGTH_MAX ? `${text.slice(0, PATH_LENGTH_MAX)}…` : text
}

function decodeInteger(node: SchemaNode, depth: number, value: unknown): unknown {
  if (isRawInteger(value)) {
    const exact = BigInt(value.rawJSON)
    if (node.format !== 'int32' && exact >= -(2n ** 63n) && exact < 2n ** 63n) return value
    throw new WrongTypeError(node, depth, value)
  }
  if (!Number.isInteger(value)) throw new WrongTypeError(node, depth, value)
  const number = value as number
  const fits =
    node.format === 'int32' ? number >= -(2 ** 31) && number < 2 ** 31 : number >= -(2 ** 63) && number < 2 ** 63
  if (!fits) throw new WrongTypeError(node, depth, value)
  return number
}

/** Go's reader skips line breaks; what is stored has none. */
function decodeBytes(text: string): string {
  const compact = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]+/g, '') : text
  if (compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return compact
  const bad = compact.search(/[^A-Za-z0-9+/]/)
  throw new WrongFormError(`illegal base64 data at input byte ${bad < 0 ? compact.length - (compact.length % 4) : bad}`)
}

function decodeString(node: SchemaNode, depth: number, value: unknown): string {
  if (typeof value !== 'string') {
    if (node.format === 'time' || node.format === 'micro-time')
      throw new WrongFormError(`json: cannot unmarshal ${foundType(value)} into Go value of type string`)
    throw new WrongTypeError(node, depth, value)
  }
  if (node.format === undefined) return value
  if (node.format === 'time') return canonicalTimestamp(value, 'seconds')
  if (node.format === 'micro-time') return canonicalTimestamp(value, 'micros')
  return node.format === 'byte' ? decodeBytes(value) : value
}

function decodeAny(node: SchemaNode, value: unknown): unknown {
  if (node.format === 'int-or-string') {
    if (typeof value === 'string') return value
    if (Number.isInteger(value) && (value as number) >= -(2 ** 31) && (value as number) < 2 ** 31) return value
    const found = foundType(value) === 'number' ? `number ${numberText(value)}` : foundType(value)
    throw new WrongFormError(`json: cannot unmarshal ${found} into Go value of type int32`)
  }
  if (node.format === 'quantity') return canonicalQuantity(typeof value === 'string' ? value : numberText(value))
  return copyOf(value)
}

function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf)
  if (!isObject(value)) return value
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value)) setOwn(copy, key, copyOf(value[key]))
  return copy
}

/** Own data property, also for `__proto__`. */
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  else object[key] = value
}

function decodeFields(walk: Walk, node: SchemaNode, depth: number, value: unknown): unknown {
  if (!isObject(value)) throw new WrongTypeError(node, depth, value)
  const properties = node.properties!
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    const inner = value[key]
    const property = properties.get(key)
    walk.path[depth] = key
    if (property === undefined) {
      if (walk.unknown.length < UNKNOWN_MAX) walk.unknown.push(pathText(walk.path, depth))
    } else if (inner !== null && inner !== undefined) copy[key] = decodeNode(walk, property, depth + 1, inner)
  }
  return copy
}

function decodeMap(walk: Walk, node: SchemaNode, depth: number, value: unknown): unknown {
  if (!isObject(value)) throw new WrongTypeError(node, depth, value)
  const items = node.items!
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    const inner = value[key]
    walk.path[depth] = key
    setOwn(copy, key, inner === null ? zeroOf(items) : decodeNode(walk, items, depth + 1, inner))
  }
  return copy
}

function decodeArray(walk: Walk, node: SchemaNode, depth: number, value: unknown): unknown {
  if (!Array.isArray(value)) throw new WrongTypeError(node, depth, value)
  const items = node.items!
  const copy: unknown[] = []
  for (let i = 0; i < value.length; i++) {
    const inner: unknown = value[i]
    walk.path[depth] = i
    copy.push(inner === null ? zeroOf(items) : decodeNode(walk, items, depth + 1, inner))
  }
  return copy
}

/** `depth` is the number of path entries above this value. */
function decodeNode(walk: Walk, node: SchemaNode, depth: number, value: unknown): unknown {
  switch (node.type) {
    case 'string':
      return decodeString(node, depth, value)
    case 'object':
      return decodeFields(walk, node, depth, value)
    case 'map':
      return decodeMap(walk, node, depth, value)
    case 'array':
      return decodeArray(walk, node, depth, value)
    case 'integer':
      return decodeInteger(node, depth, value)
    case 'boolean':
      if (typeof value !== 'boolean') throw new WrongTypeError(node, depth, value)
      return value
    case 'number':
      if (typeof value !== 'number' && !isRawInteger(value)) throw new WrongTypeError(node, depth, value)
      return value
    case 'any':
      return decodeAny(node, value)
  }
}

/** Go decodes a null element as the type's zero value. */
function zeroOf(node: SchemaNode): unknown {
  if (node.type === 'string') return ''
  if (node.type === 'integer' || node.type === 'number') return 0
  if (node.type === 'boolean') return false
  if (node.type === 'any') return node.format === 'quantity' ? '0' : node.format === 'int-or-string' ? 0 : null
  return node.type === 'array' ? [] : {}
}

function sentenceOf(error: unknown, root: SchemaNode, path: readonly (string | number)[]): string {
  if (!(error instanceof WrongTypeError)) return error instanceof Error ? error.message : String(error)
  const { node, depth, value } = error
  const number = node.type === 'integer' && foundType(value) === 'number'
  const found = number ? `number ${numberText(value)}` : foundType(value)
  const field = goFieldOf(root, path.slice(0, depth))
  const into = field === undefined ? 'value' : `struct field ${field}`
  return `json: cannot unmarshal ${found} into Go ${into} of type ${goTypeOf(node)}`
}

/**
 * Checks a JSON value against a kind's schema and copies what fits: nulls count as absent, times and quantities come
 * out in Kubernetes' canonical form, unknown fields are named and left out. Throws BadRequest, worded as kube-apiserver
 * words it, for a value of the wrong type.
 */
export function decodeObject(schema: string, value: unknown): Decoded {
  const root = schemaOf(schema)
  if (root === undefined) throw new Error(`no schema ${schema}`)
  const walk: Walk = { path: [], unknown: [] }
  try {
    const object = decodeNode(walk, root, 0, value) as Draft<KubeObject>
    return { object, unknownFields: walk.unknown }
  } catch (error) {
    const [version, kind] = schema.split('.').slice(-2)
    throw new StatusError(
      'BadRequest',
      `${kind} in version "${version}" cannot be handled as a ${kind}: ${sentenceOf(error, root, walk.path)}`,
    )
  }
}
