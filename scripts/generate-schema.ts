/**
 * Writes the schema tables of `src/api/schema/` from the structure of the Kubernetes API level that ../shared/kubernetes
 * holds: `npm run generate`. The form is compact, so that all of it loads in a few milliseconds: see `schema-table.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs'

interface Source {
  readonly type?: string
  readonly format?: string
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Source>>
  readonly additionalProperties?: Source
  readonly items?: Source
  readonly required?: readonly string[]
  readonly [extension: `x-kubernetes-${string}`]: unknown
}

interface GroupVersionKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

interface Resource extends GroupVersionKind {
  readonly resource: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
}

const folder = process.argv[2] ?? '../shared/kubernetes'
const definitions: Readonly<Record<string, Source>> = JSON.parse(
  readFileSync(`${folder}/definitions-1.36.json`, 'utf8'),
)

/** Alpha and beta versions are left out until a definition needs one. */
const LEFT_OUT = /\.v\d+(alpha|beta)\d+\./

const SHORT: Readonly<Record<string, string>> = {
  'x-kubernetes-patch-merge-key': 'mk',
  'x-kubernetes-patch-strategy': 'ps',
  'x-kubernetes-list-type': 'lt',
  'x-kubernetes-list-map-keys': 'lk',
  'x-kubernetes-map-type': 'mt',
}

function compact(source: Source): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  if (source.$ref !== undefined) out.r = source.$ref.replace('#/definitions/', '')
  if (source.type !== undefined && source.properties === undefined) out.t = source.type
  if (source.format !== undefined) out.f = source.format
  if (source.properties !== undefined)
    out.p = Object.fromEntries(Object.entries(source.properties).map(([name, value]) => [name, compact(value)]))
  if (source.additionalProperties !== undefined) out.a = compact(source.additionalProperties)
  if (source.items !== undefined) out.i = compact(source.items)
  if (source.required !== undefined) out.q = source.required
  for (const [long, short] of Object.entries(SHORT)) {
    const value = source[long as `x-kubernetes-${string}`]
    if (value !== undefined) out[short] = value
  }
  const kinds = source['x-kubernetes-group-version-kind'] as readonly GroupVersionKind[] | undefined
  if (kinds !== undefined) out.g = kinds.map(({ group, version, kind }) => [group, version, kind])
  return out
}

function writeTable(file: string, names: readonly string[], value: (name: string) => unknown): void {
  const lines = names.toSorted().map((name) => `${JSON.stringify(name)}:${JSON.stringify(value(name))}`)
  writeFileSync(`src/api/schema/${file}`, `{\n${lines.join(',\n')}\n}\n`)
  console.log(`${lines.length} entries in src/api/schema/${file}`)
}

const kept = Object.keys(definitions).filter((name) => !LEFT_OUT.test(name))
writeTable('definitions.json', kept, (name) => compact(definitions[name]!))

const resources: readonly Resource[] = JSON.parse(readFileSync(`${folder}/resources-1.36.json`, 'utf8'))
const byPath = new Map(
  resources
    .filter(({ version }) => /^v\d+$/.test(version))
    .map((r) => [
      `${r.group === '' ? '' : `${r.group}/`}${r.version}/${r.resource}`,
      [r.kind, r.namespaced, r.verbs] as const,
    ]),
)
writeTable('resources.json', [...byPath.keys()], (path) => byPath.get(path))
