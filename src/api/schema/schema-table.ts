import { readFileSync } from 'node:fs'

/** One place in the schema of a kind, with references resolved. Nodes are shared and immutable. */
export interface SchemaNode {
  readonly type: 'object' | 'map' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'any'
  readonly format: string | undefined
  /** The definition's name where this is one: `io.k8s.api.core.v1.PodSpec`. */
  readonly name: string | undefined
  readonly properties: ReadonlyMap<string, SchemaNode> | undefined
  /** Of a map's values or an array's items. */
  readonly items: SchemaNode | undefined
  readonly required: readonly string[]
  readonly mergeKey: string | undefined
  readonly patchMerge: boolean
  readonly retainKeys: boolean
  readonly listType: string | undefined
  readonly listMapKeys: readonly string[]
  readonly mapType: string | undefined
}

interface Compact {
  readonly t?: SchemaNode['type']
  readonly f?: string
  readonly r?: string
  readonly p?: Readonly<Record<string, Compact>>
  readonly a?: Compact
  readonly i?: Compact
  readonly q?: readonly string[]
  readonly mk?: string
  readonly ps?: string
  readonly lt?: string
  readonly lk?: readonly string[]
  readonly mt?: string
}

/** Definitions whose wire form is not what their structure says. */
const SPECIAL: Readonly<Record<string, Partial<SchemaNode>>> = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: 'any', format: 'int-or-string' },
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: 'any', format: 'quantity' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': { type: 'string', format: 'time' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': { type: 'string', format: 'micro-time' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1': { type: 'any' },
  'io.k8s.apimachinery.pkg.runtime.RawExtension': { type: 'any' },
}

let table: Readonly<Record<string, Compact>> | undefined
const nodes = new Map<string, SchemaNode>()

function load(): Readonly<Record<string, Compact>> {
  table ??= JSON.parse(readFileSync(new URL('./definitions.json', import.meta.url), 'utf8')) as Readonly<
    Record<string, Compact>
  >
  return table
}

function typeOf(source: Compact): SchemaNode['type'] {
  if (source.p !== undefined) return 'object'
  if (source.a !== undefined) return 'map'
  return source.t === 'object' ? 'any' : (source.t ?? 'any')
}

/** A node whose children are made on first use: definitions refer to each other in circles. */
function nodeOf(source: Compact, name: string | undefined): SchemaNode {
  const target = source.r === undefined ? undefined : definitionNode(source.r)
  const own = {
    mergeKey: source.mk,
    patchMerge: source.ps?.split(',').includes('merge') ?? false,
    retainKeys: source.ps?.split(',').includes('retainKeys') ?? false,
    listType: source.lt,
    listMapKeys: source.lk ?? [],
  }
  if (target !== undefined) {
    const plain = source.ps === undefined && source.mk === undefined && source.mt === undefined
    if (plain) return target
    return Object.defineProperties(
      {
        ...own,
        type: target.type,
        format: target.format,
        name: target.name,
        required: target.required,
        mapType: source.mt ?? target.mapType,
      },
      {
        properties: { get: () => target.properties, enumerable: true },
        items: { get: () => target.items, enumerable: true },
      },
    ) as SchemaNode
  }
  let properties: ReadonlyMap<string, SchemaNode> | undefined
  let items: SchemaNode | undefined
  const child = source.a ?? source.i
  return Object.defineProperties(
    { ...own, type: typeOf(source), format: source.f, name, required: source.q ?? [], mapType: source.mt },
    {
      properties: {
        enumerable: true,
        get: () => {
          if (source.p !== undefined)
            properties ??= new Map(Object.entries(source.p).map(([key, value]) => [key, nodeOf(value, undefined)]))
          return properties
        },
      },
      items: {
        enumerable: true,
        get: () => {
          if (child !== undefined) items ??= nodeOf(child, undefined)
          return items
        },
      },
    },
  ) as SchemaNode
}

function definitionNode(name: string): SchemaNode {
  let node = nodes.get(name)
  if (node === undefined) {
    const source = load()[name]
    if (source === undefined) throw new Error(`no definition ${name} in the schema tables`)
    const plain = nodeOf(source, name)
    node = SPECIAL[name] === undefined ? plain : { ...plain, properties: undefined, items: undefined, ...SPECIAL[name] }
    nodes.set(name, node)
  }
  return node
}

/** The schema of a published definition: `io.k8s.api.core.v1.Pod`. Undefined when there is none of this name. */
export function schemaOf(name: string): SchemaNode | undefined {
  return Object.hasOwn(load(), name) ? definitionNode(name) : undefined
}

/** The tables as they are kept, for building OpenAPI documents. */
export function compactDefinitions(): Readonly<Record<string, unknown>> {
  return load()
}
