import { readFileSync } from 'node:fs'

/** One place in the schema of a kind, with references resolved. Nodes are shared and immutable. */
export interface SchemaNode {
  /** `object` has known properties, `map` any keys with values of one schema, `any` is not looked into. */
  readonly type: 'object' | 'map' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'any'
  /** `int32`, `int64`, `double`, `byte`; ours for special wire forms: `quantity`, `int-or-string`, `time`, `micro-time`. */
  readonly format: string | undefined
  /** The definition's name where this is one: `io.k8s.api.core.v1.PodSpec`. */
  readonly name: string | undefined
  readonly properties: ReadonlyMap<string, SchemaNode> | undefined
  /** Of a map's values or an array's items. */
  readonly items: SchemaNode | undefined
  readonly required: readonly string[]
  /** The field that identifies an element in a strategic merge patch. */
  readonly mergeKey: string | undefined
  /** Lists: merged in a strategic merge patch, by `mergeKey` or as a set; otherwise replaced. */
  readonly patchMerge: boolean
  readonly retainKeys: boolean
  readonly listType: string | undefined
  readonly listMapKeys: readonly string[]
  readonly mapType: string | undefined
}

export interface GroupVersionKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

/** How `scripts/generate-schema.ts` writes a schema down. */
export interface CompactSchema {
  /** Type, left out for references and for objects with properties. */
  readonly t?: string
  readonly f?: string
  /** The name of the definition this refers to. */
  readonly r?: string
  readonly p?: Readonly<Record<string, CompactSchema>>
  /** Schema of a map's values. */
  readonly a?: CompactSchema
  readonly i?: CompactSchema
  readonly q?: readonly string[]
  readonly mk?: string
  readonly ps?: string
  readonly lt?: string
  readonly lk?: readonly string[]
  readonly mt?: string
  /** Group, version and kind of each kind with this form. */
  readonly g?: readonly (readonly [string, string, string])[]
}

/** Definitions whose wire form is not what their structure says. */
const SPECIAL: Readonly<Record<string, Pick<SchemaNode, 'type' | 'format'>>> = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: 'any', format: 'int-or-string' },
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: 'any', format: 'quantity' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': { type: 'string', format: 'time' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': { type: 'string', format: 'micro-time' },
}

function typeOf(source: CompactSchema): SchemaNode['type'] {
  if (source.p !== undefined) return 'object'
  if (source.a !== undefined) return 'map'
  return source.t === undefined || source.t === 'object' ? 'any' : (source.t as SchemaNode['type'])
}

/** Children are made on first use: definitions refer to each other in circles, and few are ever looked at. */
class Node implements SchemaNode {
  readonly type: SchemaNode['type']
  readonly format: string | undefined
  readonly name: string | undefined
  readonly required: readonly string[]
  readonly mergeKey: string | undefined
  readonly patchMerge: boolean
  readonly retainKeys: boolean
  readonly listType: string | undefined
  readonly listMapKeys: readonly string[]
  readonly mapType: string | undefined
  readonly #source: CompactSchema
  readonly #target: SchemaNode | undefined
  #properties: ReadonlyMap<string, SchemaNode> | undefined
  #items: SchemaNode | undefined

  /** `target` is the definition that `source` refers to. */
  constructor(source: CompactSchema, name: string | undefined, target: SchemaNode | undefined) {
    const special = name === undefined ? undefined : SPECIAL[name]
    const strategies = source.ps?.split(',') ?? []
    this.type = special?.type ?? target?.type ?? typeOf(source)
    this.format = special?.format ?? target?.format ?? source.f
    this.name = name ?? target?.name
    this.required = source.q ?? target?.required ?? []
    this.mergeKey = source.mk
    this.patchMerge = strategies.includes('merge')
    this.retainKeys = strategies.includes('retainKeys')
    this.listType = source.lt
    this.listMapKeys = source.lk ?? []
    this.mapType = source.mt ?? target?.mapType
    this.#source = source
    this.#target = target
    this.#properties = undefined
    this.#items = undefined
  }

  get properties(): ReadonlyMap<string, SchemaNode> | undefined {
    if (this.#target !== undefined) return this.#target.properties
    const { p } = this.#source
    if (p !== undefined) this.#properties ??= new Map(Object.entries(p).map(([key, value]) => [key, nodeOf(value)]))
    return this.#properties
  }

  get items(): SchemaNode | undefined {
    if (this.#target !== undefined) return this.#target.items
    const child = this.#source.a ?? this.#source.i
    if (child !== undefined) this.#items ??= nodeOf(child)
    return this.#items
  }
}

function nodeOf(source: CompactSchema): SchemaNode {
  if (source.r === undefined) return new Node(source, undefined, undefined)
  const target = definitionNode(source.r)
  const plain = source.ps === undefined && source.mk === undefined && source.mt === undefined
  return plain ? target : new Node(source, undefined, target)
}

const nodes = new Map<string, SchemaNode>()

function definitionNode(name: string): SchemaNode {
  let node = nodes.get(name)
  if (node === undefined) {
    const source = compactDefinition(name)
    if (source === undefined) throw new Error(`no definition ${name} in the schema tables`)
    node = new Node(source, name, undefined)
    nodes.set(name, node)
  }
  return node
}

/** What Kubernetes publishes, generated, and what metrics-server does, which is not part of it. */
const FILES = ['./definitions.json', './metrics-definitions.json']

let table: ReadonlyMap<string, CompactSchema> | undefined

function load(): ReadonlyMap<string, CompactSchema> {
  table ??= new Map(
    FILES.flatMap((name) => {
      const text = readFileSync(new URL(name, import.meta.url), 'utf8')
      return Object.entries(JSON.parse(text) as Readonly<Record<string, CompactSchema>>)
    }),
  )
  return table
}

/** A definition as the tables keep it, for building OpenAPI documents. */
export function compactDefinition(name: string): CompactSchema | undefined {
  return load().get(name)
}

/** The schema of a published definition: `io.k8s.api.core.v1.Pod`. Undefined when there is none of this name. */
export function schemaOf(name: string): SchemaNode | undefined {
  return load().has(name) ? definitionNode(name) : undefined
}

/** The kinds that have this form: one for most, dozens for `DeleteOptions`, none for parts of kinds. */
export function kindsOf(name: string): readonly GroupVersionKind[] {
  return (compactDefinition(name)?.g ?? []).map(([group, version, kind]) => ({ group, version, kind }))
}

export function definitionNames(): readonly string[] {
  return [...load().keys()]
}
