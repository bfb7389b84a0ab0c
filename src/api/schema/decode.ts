import type { Draft, KubeObject } from '../object.ts'
import { canonicalQuantity } from '../quantity.ts'
import { StatusError } from '../status-error.ts'
import { type SchemaNode, schemaOf } from './schema-table.ts'

export interface Decoded {
  /** A new, writable object that shares nothing with the input. */
  readonly object: Draft<KubeObject>
  /** Paths of fields the schema does not know; they are left out of the object. */
  readonly unknownFields: readonly string[]
}

interface Walk {
  readonly kind: string
  readonly version: string
  readonly unknown: string[]
}

const GO_NAMES: Readonly<Record<string, string>> = {
  array: 'array',
  object: 'object',
  string: 'string',
  number: 'number',
  boolean: 'bool',
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return value !== null && typeof value === 'object' && !isRawInteger(value)
    ? 'object'
    : typeof value === 'object'
      ? 'number'
      : typeof value
}

/** What `parseJson` keeps an integer beyond 2^53 as. */
function isRawInteger(value: unknown): value is { readonly rawJSON: string } {
  return typeof value === 'object' && value !== null && 'rawJSON' in value && Object.getPrototypeOf(value) === null
}

function goType(node: SchemaNode): string {
  if (node.type === 'integer') return node.format ?? 'int64'
  if (node.type === 'boolean') return 'bool'
  if (node.type === 'map') return 'map[string]string'
  if (node.type === 'number') return 'float64'
  return node.name === undefined ? node.type : node.name.slice(node.name.lastIndexOf('.') + 1)
}

function wrongType(walk: Walk, node: SchemaNode, owner: string, path: string, value: unknown): StatusError {
  const where = path === '' ? '' : `struct field ${owner}.${path} of type `
  return badDecode(
    walk,
    `json: cannot unmarshal ${GO_NAMES[jsonType(value)] ?? jsonType(value)} into Go ${where === '' ? 'value of type ' : where}${goType(node)}`,
  )
}

function badDecode(walk: Walk, why: string): StatusError {
  return new StatusError(
    'BadRequest',
    `${walk.kind} in version "${walk.version}" cannot be handled as a ${walk.kind}: ${why}`,
  )
}

const RFC3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/

/** Kubernetes' form of a time: UTC, whole seconds, or six digits of a second for MicroTime. */
function decodeTime(walk: Walk, text: string, micro: boolean): string {
  const match = RFC3339.exec(text)
  const ms = match === null ? Number.NaN : Date.parse(text)
  if (match === null || Number.isNaN(ms)) {
    throw badDecode(
      walk,
      `parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(text)} as "2006"`,
    )
  }
  const seconds = new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)
  return micro ? `${seconds}.${(match[3] ?? '').padEnd(6, '0').slice(0, 6)}Z` : `${seconds}Z`
}

const LIMITS: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2 ** 63), 2 ** 63],
}

function decodeInteger(walk: Walk, node: SchemaNode, owner: string, path: string, value: unknown): unknown {
  if (isRawInteger(value)) {
    const exact = BigInt(value.rawJSON)
    if (node.format === 'int64' && exact >= -(2n ** 63n) && exact < 2n ** 63n) return value
    throw badDecode(
      walk,
      `json: cannot unmarshal number ${value.rawJSON} into Go struct field ${owner}.${path} of type ${goType(node)}`,
    )
  }
  if (typeof value !== 'number') throw wrongType(walk, node, owner, path, value)
  const [least, most] = LIMITS[node.format ?? 'int64'] ?? LIMITS.int64!
  if (!Number.isInteger(value) || value < least || value > most) {
    throw badDecode(
      walk,
      `json: cannot unmarshal number ${value} into Go struct field ${owner}.${path} of type ${goType(node)}`,
    )
  }
  return value
}

function decodeString(walk: Walk, node: SchemaNode, owner: string, path: string, value: unknown): string {
  if (typeof value !== 'string') throw wrongType(walk, node, owner, path, value)
  if (node.format === 'time' || node.format === 'micro-time')
    return decodeTime(walk, value, node.format === 'micro-time')
  if (node.format === 'byte' && !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value)) {
    throw badDecode(walk, `illegal base64 data at input byte ${value.search(/[^A-Za-z0-9+/=\s]/)}`)
  }
  return value
}

function decodeAny(walk: Walk, node: SchemaNode, owner: string, path: string, value: unknown): unknown {
  if (node.format === 'int-or-string') {
    if (typeof value === 'number' && Number.isInteger(value)) return value
    if (typeof value === 'string') return value
    throw wrongType(walk, node, owner, path, value)
  }
  if (node.format === 'quantity') {
    if (typeof value !== 'string' && typeof value !== 'number') throw wrongType(walk, node, owner, path, value)
    try {
      return canonicalQuantity(String(value))
    } catch (error) {
      throw badDecode(walk, error instanceof Error ? error.message : String(error))
    }
  }
  return isRawInteger(value) ? value : structuredCopy(value)
}

function structuredCopy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(structuredCopy)
  if (value === null || typeof value !== 'object' || isRawInteger(value)) return value
  const copy: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value)) put(copy, key, structuredCopy(inner))
  return copy
}

/** Own data property, also for `__proto__`. */
function put(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  else object[key] = value
}

function decodeNode(walk: Walk, node: SchemaNode, owner: string, path: string, value: unknown): unknown {
  switch (node.type) {
    case 'string':
      return decodeString(walk, node, owner, path, value)
    case 'integer':
      return decodeInteger(walk, node, owner, path, value)
    case 'number':
      if (typeof value !== 'number') throw wrongType(walk, node, owner, path, value)
      return value
    case 'boolean':
      if (typeof value !== 'boolean') throw wrongType(walk, node, owner, path, value)
      return value
    case 'array': {
      if (!Array.isArray(value)) throw wrongType(walk, node, owner, path, value)
      const item = node.items!
      return value.map((element, i) =>
        element === null ? emptyOf(item) : decodeNode(walk, item, owner, `${path}[${i}]`, element),
      )
    }
    case 'map': {
      if (jsonType(value) !== 'object') throw wrongType(walk, node, owner, path, value)
      const copy: Record<string, unknown> = {}
      for (const [key, inner] of Object.entries(value as object)) {
        put(
          copy,
          key,
          inner === null ? emptyOf(node.items!) : decodeNode(walk, node.items!, owner, `${path}[${key}]`, inner),
        )
      }
      return copy
    }
    case 'object': {
      if (jsonType(value) !== 'object') throw wrongType(walk, node, owner, path, value)
      const self = node.name === undefined ? owner : goType(node)
      const copy: Record<string, unknown> = {}
      for (const [key, inner] of Object.entries(value as object)) {
        const property = node.properties!.get(key)
        const at = path === '' ? key : `${path}.${key}`
        if (property === undefined) walk.unknown.push(at)
        else if (inner !== null) copy[key] = decodeNode(walk, property, self, at, inner)
      }
      return copy
    }
    default:
      return decodeAny(walk, node, owner, path, value)
  }
}

/** Go decodes a null element as the type's zero value. */
function emptyOf(node: SchemaNode): unknown {
  if (node.type === 'string') return ''
  if (node.type === 'integer' || node.type === 'number') return 0
  if (node.type === 'boolean') return false
  return node.type === 'array' ? [] : {}
}

/**
 * Checks a JSON value against a kind's schema and copies what fits: nulls count as absent, times and quantities come
 * out in Kubernetes' canonical form, unknown fields are named and left out. Throws BadRequest, worded as kube-apiserver
 * words it, for a value of the wrong type.
 */
export function decodeObject(schema: string, value: unknown): Decoded {
  const node = schemaOf(schema)
  if (node === undefined) throw new Error(`no schema ${schema}`)
  const kind = schema.slice(schema.lastIndexOf('.') + 1)
  const given = value as { readonly apiVersion?: unknown } | null
  const version =
    typeof given?.apiVersion === 'string' ? given.apiVersion.slice(given.apiVersion.lastIndexOf('/') + 1) : 'v1'
  const walk: Walk = { kind, version, unknown: [] }
  const object = decodeNode(walk, node, kind, '', value) as Draft<KubeObject>
  return { object, unknownFields: walk.unknown }
}
