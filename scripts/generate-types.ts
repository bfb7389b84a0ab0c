/**
 * Writes TypeScript types for every published definition of the Kubernetes API level that ../shared/kubernetes holds:
 * one file a package, `src/api/types/<group>-<version>.gen.ts`. Run by `npm run generate`; the result is reviewed as
 * a diff when the level moves. Types only: at run time the schema tables of `src/api/schema/` are used.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

interface Schema {
  readonly type?: string
  readonly format?: string
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema
  readonly items?: Schema
  readonly required?: readonly string[]
}

const source = process.argv[2] ?? '../shared/kubernetes/definitions-1.36.json'
const outDir = 'src/api/types'
const definitions: Readonly<Record<string, Schema>> = JSON.parse(readFileSync(source, 'utf8'))

/** The packages that get types: API groups and the machinery, without OpenAPI's own schema of schemas. */
const SKIPPED = /apiextensions\.v1\.JSON|\.v\d+(alpha|beta)\d+\./

function fileOf(name: string): string {
  const machinery = /^io\.k8s\.apimachinery\.pkg\./.exec(name)
  if (machinery) return 'meta-v1'
  const parts = name.split('.')
  return `${parts.at(-3)}-${parts.at(-2)}`
}

function typeName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

const SCALARS: Readonly<Record<string, string>> = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'number | string',
  'io.k8s.apimachinery.pkg.api.resource.Quantity': 'string',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': 'string',
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': 'string',
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1': 'Readonly<Record<string, unknown>>',
  'io.k8s.apimachinery.pkg.runtime.RawExtension': 'Readonly<Record<string, unknown>>',
}

function render(schema: Schema, file: string, imports: Map<string, Set<string>>): string {
  if (schema.$ref !== undefined) {
    const target = schema.$ref.replace('#/definitions/', '')
    if (SCALARS[target] !== undefined) return SCALARS[target]
    if (SKIPPED.test(target)) return 'unknown'
    const from = fileOf(target)
    if (from !== file) {
      const set = imports.get(from) ?? new Set()
      set.add(typeName(target))
      imports.set(from, set)
    }
    return typeName(target)
  }
  if (schema.type === 'array') {
    const inner = render(schema.items ?? {}, file, imports)
    return `readonly ${inner.includes(' ') ? `(${inner})` : inner}[]`
  }
  if (schema.type === 'string') return 'string'
  if (schema.type === 'integer' || schema.type === 'number') return 'number'
  if (schema.type === 'boolean') return 'boolean'
  if (schema.additionalProperties !== undefined) {
    return `Readonly<Record<string, ${render(schema.additionalProperties, file, imports)}>>`
  }
  return schema.type === 'object' ? 'Readonly<Record<string, unknown>>' : 'unknown'
}

interface FileBody {
  readonly imports: Map<string, Set<string>>
  readonly lines: string[]
}

const bodies = new Map<string, FileBody>()
for (const name of Object.keys(definitions).sort()) {
  if (SCALARS[name] !== undefined || SKIPPED.test(name)) continue
  const schema = definitions[name]!
  const file = fileOf(name)
  const body: FileBody = bodies.get(file) ?? { imports: new Map(), lines: [] }
  bodies.set(file, body)
  if (schema.properties === undefined) {
    body.lines.push(`export type ${typeName(name)} = ${render(schema, file, body.imports)}`, '')
    continue
  }
  body.lines.push(`export interface ${typeName(name)} {`)
  for (const [property, value] of Object.entries(schema.properties)) {
    const mark = (schema.required ?? []).includes(property) ? '' : '?'
    const key = /^[A-Za-z_$][\w$]*$/.test(property) ? property : JSON.stringify(property)
    body.lines.push(`  readonly ${key}${mark}: ${render(value, file, body.imports)}`)
  }
  body.lines.push('}', '')
}

for (const old of readdirSync(outDir)) if (old.endsWith('.gen.ts')) rmSync(`${outDir}/${old}`)
for (const [file, body] of bodies) {
  const imports = [...body.imports]
    .sort()
    .map(([from, names]) => `import type { ${[...names].sort().join(', ')} } from './${from}.gen.ts'`)
  const head = `// Written by scripts/generate-types.ts from the structure of the Kubernetes API, level 1.36. Do not edit.\n`
  writeFileSync(
    `${outDir}/${file}.gen.ts`,
    `${head}${imports.join('\n')}${imports.length > 0 ? '\n' : ''}\n${body.lines.join('\n')}`,
  )
}
console.log(`${bodies.size} files of types in ${outDir}`)
