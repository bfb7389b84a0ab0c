/**
 * Writes `src/api/protobuf/field-numbers.json`: which number and type each field has in Kubernetes' protobuf form, from
 * the Go modules of the API level, which `go mod download` fetches: `node scripts/generate-protobuf-fields.ts`. The
 * form is that of `src/api/protobuf/message-table.ts`.
 *
 * Two files say it: `generated.proto` numbers and types, and the struct tags beside it what a field is called in JSON,
 * whether it stands in line with its parent, and whether its zero value is left out.
 */
import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const VERSION = process.argv[2] ?? 'v0.36.0'
const MODULES = ['k8s.io/apimachinery', 'k8s.io/api', 'k8s.io/apiextensions-apiserver', 'k8s.io/kube-aggregator']
/** The form of OpenAPI v2 documents that older clients ask for; at the version that the modules above use. */
const OPENAPI = { module: 'github.com/google/gnostic-models', version: 'v0.7.0', file: 'openapiv2/OpenAPIv2.proto' }
const META = 'k8s.io.apimachinery.pkg.apis.meta.v1'
const OUTPUT = 'src/api/protobuf/field-numbers.json'

/** Alpha and beta versions are left out, as the schema tables do, but for what a GA client still asks for. */
const isWanted = (name: string): boolean =>
  name === 'k8s.io.api.apidiscovery.v2beta1' ||
  (!/\.v\d+(alpha|beta)\d+$/.test(name) &&
    !name.endsWith('.testapigroup.v1') &&
    (name.startsWith('k8s.io.api.') || /\.apis\.(meta|apiextensions|apiregistration)\./.test(name)))

/** Messages with a form of their own in JSON; the codec reads and writes them itself. */
const SPECIAL: Readonly<Record<string, string>> = {
  [`${META}.Time`]: 'time',
  [`${META}.MicroTime`]: 'microtime',
  [`${META}.FieldsV1`]: 'raw',
  'k8s.io.apimachinery.pkg.runtime.RawExtension': 'raw',
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSON': 'raw',
  'k8s.io.apimachinery.pkg.api.resource.Quantity': 'quantity',
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': 'intorstring',
}

interface ProtoField {
  readonly number: number
  readonly name: string
  readonly shape: '' | '[]' | '{}'
  readonly type: string
}

interface GoField {
  /** Undefined when the field's own fields stand among its parent's. */
  readonly json: string | undefined
  readonly dropsZero: boolean
}

interface Package {
  readonly name: string
  /** `apps/v1`, and `v1` for the core group. */
  readonly apiVersion: string
  readonly messages: ReadonlyMap<string, readonly ProtoField[]>
  /** Struct → field number → what its tags say. */
  readonly structs: ReadonlyMap<string, ReadonlyMap<number, GoField>>
  /** Types that are lists of strings in Go, and messages with one list on the wire. */
  readonly lists: ReadonlySet<string>
}

function goModuleFolder(module: string, version: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'fields-'))
  try {
    const run = (...parameters: readonly string[]): string =>
      execFileSync('go', parameters, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    run('mod', 'init', 'fields')
    return (JSON.parse(run('mod', 'download', '-json', `${module}@${version}`)) as { readonly Dir: string }).Dir
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function parseMessages(proto: string): ReadonlyMap<string, readonly ProtoField[]> {
  const messages = new Map<string, ProtoField[]>()
  let current: ProtoField[] = []
  for (const line of proto.split('\n')) {
    const message = /^message (\w+) \{/.exec(line)
    if (message !== null) {
      current = []
      messages.set(message[1]!, current)
    }
    const map = /^ {2}map<string, ([\w.]+)> (\w+) = (\d+);/.exec(line)
    if (map !== null) current.push({ number: Number(map[3]), name: map[2]!, shape: '{}', type: map[1]! })
    const field = /^ {2,4}(optional |repeated |)([\w.]+) (\w+) = (\d+);/.exec(line)
    if (field !== null)
      current.push({
        number: Number(field[4]),
        name: field[3]!,
        shape: field[1] === 'repeated ' ? '[]' : '',
        type: field[2]!,
      })
  }
  return messages
}

function parseStructs(go: string): Map<string, Map<number, GoField>> {
  const structs = new Map<string, Map<number, GoField>>()
  let current: Map<number, GoField> | undefined
  for (const line of go.split('\n')) {
    const struct = /^type (\w+) struct \{/.exec(line)
    if (struct !== null) {
      current = new Map()
      structs.set(struct[1]!, current)
    }
    if (line.startsWith('}')) current = undefined
    const field = /^\s+(?:\w+\s+)?(\S+)\s+`(.*)`/.exec(line)
    if (field === null || current === undefined || line.trimStart().startsWith('//')) continue
    const number = /protobuf:"\w+,(\d+),/.exec(field[2]!)?.[1]
    const json = /json:"([^"]*)"/.exec(field[2]!)?.[1]?.split(',')
    if (number === undefined || json === undefined) continue
    current.set(Number(number), {
      json: json[0] === '' && json.includes('inline') ? undefined : json[0]!,
      dropsZero: json.includes('omitempty') && !field[1]!.startsWith('*'),
    })
  }
  return structs
}

function readPackage(file: string): Package | undefined {
  const proto = readFileSync(file, 'utf8')
  const name = /^package (\S+);/m.exec(proto)![1]!
  if (!isWanted(name)) return undefined
  const folder = dirname(file)
  const go = readdirSync(folder)
    .filter((entry) => entry.endsWith('.go') && !/_test\.go$|^generated|^zz_/.test(entry))
    .map((entry) => readFileSync(join(folder, entry), 'utf8'))
    .join('\n')
  const group = name === META ? 'meta.k8s.io' : /GroupName\s*=\s*"([^"]*)"/.exec(go)![1]!
  const version = name.split('.').at(-1)!
  return {
    name,
    apiVersion: group === '' ? version : `${group}/${version}`,
    messages: parseMessages(proto),
    structs: parseStructs(go),
    lists: new Set([...go.matchAll(/^type (\w+) \[\]string$/gm)].map(([, type]) => type!)),
  }
}

const packages = MODULES.flatMap((module) => globSync(join(goModuleFolder(module, VERSION), '**/generated.proto')))
  .map(readPackage)
  .filter((found) => found !== undefined)
  .toSorted((a, b) => (a.name < b.name ? -1 : 1))
const byName = new Map(packages.map((found) => [found.name, found]))
const SCALARS = new Set(['string', 'bytes', 'bool', 'int32', 'int64', 'double'])
const problems: string[] = []

function typeText(home: Package, { shape, type }: ProtoField, dropsZero: boolean): string {
  if (SCALARS.has(type)) return `${shape}${type}${dropsZero && shape === '' ? '?' : ''}`
  const full = type.startsWith('.') ? type.slice(1) : `${home.name}.${type}`
  const special = SPECIAL[full]
  if (special !== undefined) return `${shape}${special}`
  const dot = full.lastIndexOf('.')
  const owner = byName.get(full.slice(0, dot))
  const message = full.slice(dot + 1)
  if (owner?.messages.has(message) !== true) problems.push(`${home.name} refers to ${full}, which is not here`)
  if (owner?.lists.has(message)) return `${shape}strings`
  return `${shape}${owner === home ? '' : `${owner?.apiVersion}.`}${message}`
}

function messageText(home: Package, message: string, fields: readonly ProtoField[]): string {
  // `List` of the core group is declared as the one of the meta package.
  const tags = home.structs.get(message) ?? byName.get(META)?.structs.get(message)
  if (tags === undefined && fields.length > 0) problems.push(`${home.name}.${message} is no struct`)
  return fields
    .toSorted((a, b) => a.number - b.number)
    .map((field) => {
      const go = tags?.get(field.number) ?? { json: field.name, dropsZero: true }
      // Tags may name no key where the type writes its JSON itself: the message's own name of the field serves.
      const json = go.json === undefined ? '+' : go.json === '' || go.json === '-' ? field.name : go.json
      return `${json}=${field.number}:${typeText(home, field, go.dropsZero)}`
    })
    .join(' ')
}

/** Keys as the document has them in JSON; every value but a message may be missing. */
function openApiMessages(): Readonly<Record<string, string>> {
  const folder = goModuleFolder(OPENAPI.module, OPENAPI.version)
  const messages = parseMessages(readFileSync(join(folder, OPENAPI.file), 'utf8'))
  const text = ({ name, number, shape, type }: ProtoField): string => {
    const key = name === '_ref' ? '$ref' : name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
    return `${key}=${number}:${shape}${type}${SCALARS.has(type) && shape === '' ? '?' : ''}`
  }
  return Object.fromEntries(
    [...messages].map(([message, fields]) => {
      // Any values are told as YAML as well, which is the form that is read.
      const kept = fields.filter(({ type }) => !type.startsWith('google.')).toSorted((a, b) => a.number - b.number)
      return [message, kept.map(text).join(' ')]
    }),
  )
}

const table = Object.fromEntries(
  packages.map((home) => {
    const isPlain = (message: string): boolean => !(`${home.name}.${message}` in SPECIAL) && !home.lists.has(message)
    const messages = [...home.messages].filter(([message]) => isPlain(message))
    return [
      home.apiVersion,
      Object.fromEntries(messages.map(([message, fields]) => [message, messageText(home, message, fields)])),
    ]
  }),
)
if (problems.length > 0) throw new Error(problems.join('\n'))
table['openapi/v2'] = openApiMessages()
writeFileSync(OUTPUT, `${JSON.stringify(table, undefined, 2)}\n`)
const count = Object.values(table).reduce((sum, messages) => sum + Object.keys(messages).length, 0)
console.log(`${count} messages of ${Object.keys(table).length} packages in ${OUTPUT}`)
