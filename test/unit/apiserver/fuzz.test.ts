import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { systemClock } from '../../../src/base/clock.ts'
import { createServiceAccountTokens } from '../../../src/controlplane/apiserver/edge/service-account-tokens.ts'
import { MANIFESTS, POSTED } from './manifests.ts'
import { startTestServer, type TestServer, type WireAnswer, type WireRequest } from './server-fixture.ts'

/** `FUZZ_RUNS=100000 node --test test/unit/apiserver/fuzz.test.ts` for the long one. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 250)

type Json = Record<string, unknown> | unknown[]

/** Stands for text that JSON.stringify would not write: integers and numbers no double holds. */
class Literal {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const literal = fc
  .constantFrom(
    '9007199254740993',
    '9223372036854775807',
    '-9223372036854775808',
    '1e400',
    '1e-400',
    '123456789012345678901234567890',
    '-0',
    '1.5',
    '2147483648',
  )
  .map((text) => new Literal(text))
const text = fc.oneof(
  fc.constantFrom(
    '',
    '50%',
    '-1%',
    '1000%',
    '0x1',
    '1e1000',
    '1Ei',
    '-1',
    '..',
    '/',
    '../..',
    '\u0000',
    '\ud800',
    'ü',
    'A',
    'a.b',
    '-a',
  ),
  fc.constantFrom('0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '2026-01-02T03:04:05.123456789+14:00'),
  fc.constantFrom('10.0.0.1', '::1', '127.0.0.1', 'None', 'a/b', 'example.com/b', 'c2VjcmV0', '100m', '1Gi', '0'),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'default', 'web', 'node-1', 'TCP', 'UDP', 'http'),
  fc.constantFrom(
    'Always',
    'Never',
    'OnFailure',
    'ClusterIP',
    'NodePort',
    'LoadBalancer',
    'ExternalName',
    'Exists',
    'Foreground',
    'Recreate',
    'Local',
    'NoExecute',
    'True',
    'Failed',
    'Succeeded',
  ),
  fc.string({ maxLength: 12 }),
  fc.constant('x'.repeat(300)),
)
const number = fc.oneof(
  fc.constantFrom<unknown>(0, -1, 1, 2, 600, 65_536, 2 ** 31, 2 ** 31 - 1, 2 ** 53, -(2 ** 31)),
  fc.integer(),
  literal,
)
const anything = fc.oneof(
  text,
  number,
  fc.constantFrom<unknown>(null, true, false, [], {}, [null], { a: null }, [[[]]]),
)

/** One change at a place chosen by numbers, so that it shrinks well and fits any object. */
const mutation = fc.record({
  steps: fc.array(fc.nat(50), { minLength: 1, maxLength: 8 }),
  change: fc.constantFrom('replace', 'remove', 'add', 'double', 'copy'),
  key: fc.constantFrom(
    'name',
    'namespace',
    'finalizers',
    'deletionTimestamp',
    'resourceVersion',
    'uid',
    'generateName',
    'ownerReferences',
    '__proto__',
    '$patch',
    'nodeName',
    'clusterIP',
    'unknown',
    'status',
    'spec',
    'a/b',
  ),
  text,
  number,
  anything,
  wild: fc.nat(3).map((n) => n === 0),
})
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never

function setOwn(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}

/** Mostly another value of the same type, which comes further than one of a wrong type. */
function replacement(old: unknown, { text, number, anything, wild }: Mutation): unknown {
  if (!wild && typeof old === 'string') return text
  if (!wild && typeof old === 'number') return number
  if (!wild && typeof old === 'boolean') return !old
  // A later mutation may write into it.
  return anything instanceof Literal ? anything : structuredClone(anything)
}

function mutate(root: Json, one: Mutation): void {
  const { steps, change, key } = one
  let container: Json = root
  let at = Object.keys(container)[steps[0]! % Object.keys(container).length]
  for (const next of steps.slice(1)) {
    const inner = at === undefined ? undefined : (container as Record<string, unknown>)[at]
    if (typeof inner !== 'object' || inner === null || inner instanceof Literal) break
    container = inner as Json
    const keys = Object.keys(container)
    at = keys.length === 0 ? undefined : keys[next % keys.length]
  }
  const list = Array.isArray(container) ? container : undefined
  const old = at === undefined ? undefined : (container as Record<string, unknown>)[at]
  const value = replacement(old, one)
  if (at === undefined || change === 'add') list === undefined ? setOwn(container, key, value) : list.push(value)
  else if (change === 'copy') setOwn(container, at, plain(root))
  else if (change === 'double' && list !== undefined) list.push(structuredClone(list[0]))
  else if (change === 'remove')
    list === undefined ? delete (container as Record<string, unknown>)[at] : list.splice(Number(at), 1)
  else setOwn(container, at, value)
}

function plain(value: unknown): unknown {
  return JSON.parse(toJson(value, (text) => JSON.stringify(text)))
}

function toJson(value: unknown, write: (text: string) => string = (text) => text): string {
  if (value instanceof Literal) return write(value.text)
  if (Array.isArray(value)) return `[${value.map((item) => toJson(item, write)).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}:${toJson(inner, write)}`)
    .join(',')}}`
}

const parameter = fc.oneof(
  fc.constantFrom(
    'dryRun=All',
    'dryRun=x',
    'fieldValidation=Strict',
    'fieldValidation=Warn',
    'fieldValidation=no',
    'fieldManager=a',
    'pretty=true',
    'force=true',
  ),
  fc.constantFrom(
    'limit=1',
    'limit=-1',
    'limit=x',
    'continue=x',
    'continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6IjEiLCJzdGFydCI6Ii9yZWdpc3RyeS8ifQ',
    'resourceVersion=0',
    'resourceVersion=1',
    'resourceVersion=x',
    'resourceVersionMatch=Exact',
    'resourceVersionMatch=NotOlderThan',
    'sendInitialEvents=true',
    'allowWatchBookmarks=1',
  ),
  fc.constantFrom(
    'labelSelector=app%3Dweb',
    'labelSelector=app+in+(a,b',
    'labelSelector=!a,b%3E1',
    'labelSelector=%00',
    'fieldSelector=metadata.name%3Dweb',
    'fieldSelector=a%3Db',
    'fieldSelector=%5C',
    'fieldSelector=__proto__%3D1',
    'fieldSelector=spec.nodeName!%3D',
  ),
  fc.constantFrom(
    'gracePeriodSeconds=0',
    'gracePeriodSeconds=-5',
    'gracePeriodSeconds=99999999999999',
    'propagationPolicy=Foreground',
    'propagationPolicy=Orphan',
    'propagationPolicy=x',
    'orphanDependents=true',
    'timeoutSeconds=1',
    'timeoutSeconds=x',
    'includeObject=Object',
    'includeObject=x',
    'container=web',
    'tailLines=-1',
  ),
  fc
    .tuple(
      fc.constantFrom('limit', 'labelSelector', 'fieldSelector', 'continue', 'dryRun', '__proto__'),
      fc.string({ maxLength: 10 }),
    )
    .map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`),
)

const accept = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('application/json', '*/*') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
      'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json',
      'application/vnd.kubernetes.protobuf,application/json',
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('application/json;as=Table;v=v1;g=meta.k8s.io', 'text/html', ';;,=') },
)

const METHODS = [
  'POST',
  'PUT',
  'PATCH json',
  'PATCH merge',
  'PATCH strategic',
  'DELETE',
  'GET',
  'LIST',
  'WATCH',
  'DELETECOLLECTION',
] as const
const PATCH_TYPES = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
}

const jsonPatch = fc.array(
  fc.record({
    op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
    path: fc.constantFrom(
      '/metadata/labels',
      '/metadata/labels/a~1b',
      '/spec',
      '/spec/replicas',
      '/spec/template/spec/containers/0',
      '/spec/containers/-',
      '/data',
      '/metadata/finalizers',
      '/metadata/name',
      '/__proto__/x',
      '',
      '/',
      '/status',
      'x',
    ),
    from: fc.constantFrom('/spec', '/metadata', '/metadata/labels', '/data', ''),
    value: anything,
  }),
  { maxLength: 4 },
)

const step = fc.record({
  method: fc.constantFrom(...METHODS),
  which: fc.nat(),
  view: fc.option(fc.nat(), { freq: 4 }),
  mutations: fc.array(mutation, { maxLength: 3 }),
  operations: jsonPatch,
  yaml: fc.boolean(),
  query: fc.oneof(fc.constant([]), fc.array(parameter, { maxLength: 2 })),
  accept,
})
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const ALL = [...MANIFESTS, ...POSTED]

function shuffledName(name: string, which: number): string {
  return which % 3 === 0 ? `${name}-${which % 10}` : name
}

function requestOf({ method, which, view, mutations, operations, yaml, query, accept: wanted }: Step): WireRequest {
  const candidates = method === 'POST' ? ALL : MANIFESTS
  const manifest = candidates[which % candidates.length]!
  const object = structuredClone(manifest.object) as unknown as Json
  if (method === 'POST' && view === null)
    (object as { metadata: { name: string } }).metadata.name = shuffledName(manifest.object.metadata.name, which)
  for (const change of mutations) mutate(object, change)
  const suffix = view !== null && manifest.views.length > 0 ? `/${manifest.views[view % manifest.views.length]}` : ''
  const one = `${manifest.collection}/${manifest.object.metadata.name || 'x'}${suffix}`
  const path =
    method === 'POST' && suffix === ''
      ? manifest.collection
      : method === 'LIST' || method === 'WATCH' || method === 'DELETECOLLECTION'
        ? manifest.collection
        : one
  const parameters = method === 'WATCH' ? [...query, 'watch=1'] : query
  const [verb, kind] = method.split(' ') as [string, keyof typeof PATCH_TYPES | undefined]
  const contentType = kind === undefined ? (yaml ? 'application/yaml' : 'application/json') : PATCH_TYPES[kind]
  const body =
    kind === 'json' ? toJson(operations) : yaml && kind === undefined ? stringify(plain(object)) : toJson(object)
  return {
    method: { LIST: 'GET', WATCH: 'GET', DELETECOLLECTION: 'DELETE' }[verb] ?? verb,
    path: parameters.length === 0 ? path : `${path}?${parameters.join('&')}`,
    headers: { accept: wanted, 'content-type': contentType },
    ...(verb === 'GET' || verb === 'LIST' || verb === 'WATCH' ? {} : { body }),
  }
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const tokens = createServiceAccountTokens(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), systemClock)

/** One for each run, so that a failure repeats; with one object of every kind. */
async function start(): Promise<TestServer> {
  const api = await startTestServer({
    tokens,
    logSource: async () => ({ status: 200, body: (async function* () {})() }),
    verifyToken: async () => undefined,
  })
  for (const { collection, object } of MANIFESTS) {
    const { status, text } = await api.wire({ method: 'POST', path: collection, body: object })
    assert.equal(status, 201, text)
  }
  return api
}

/** What the server has accepted and gives out, it accepts again, and finds nothing changed. */
async function checkStable(api: TestServer, answer: WireAnswer, request: WireRequest): Promise<void> {
  const object = answer.body
  if (answer.status >= 300 || typeof object !== 'object' || object.metadata?.uid === undefined) return
  if (request.path.includes('dryRun=All') || object.kind === 'Scale' || object.metadata.deletionTimestamp !== undefined)
    return
  const manifest = MANIFESTS.find(
    ({ object: { kind, apiVersion } }) => kind === object.kind && apiVersion === object.apiVersion,
  )
  if (manifest === undefined) return
  const { collection } = manifest
  const path = `${collection}/${object.metadata.name}`
  const now = await api.wire({ path })
  if (now.status !== 200) return
  const again = await api.wire({ method: 'PUT', path, body: now.text })
  assert.equal(again.status, 200, `PUT of what was read: ${again.text}`)
  assert.equal(
    again.body.metadata.resourceVersion,
    now.body.metadata.resourceVersion,
    `changed by a PUT of itself:\n${now.text}\n${again.text}`,
  )
}

async function checkReads(api: TestServer): Promise<void> {
  for (const { collection } of MANIFESTS)
    for (const accept of [
      'application/json',
      'application/json;as=Table;v=v1;g=meta.k8s.io',
      'application/vnd.kubernetes.protobuf',
    ]) {
      const { status, text } = await api.wire({ path: collection, headers: { accept } })
      assert.equal(status, 200, `${collection} as ${accept}: ${text}`)
    }
}

test('whatever is sent, the answer is no fault of the server, and it goes on answering', {
  timeout: 600_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const api = await start()
      try {
        for (const one of steps) {
          const request = requestOf(one)
          const answer = await api.wire({ ...request, readMs: 0 })
          assert.ok(
            answer.status >= 200 && answer.status < 500,
            `${request.method} ${request.path} ${String(request.body)}\n${answer.status} ${answer.text}\n${api.errors.join('\n')}`,
          )
          await checkStable(api, answer, request)
        }
        await checkReads(api)
        assert.equal((await api.wire({ path: '/readyz' })).text, 'ok')
        assert.equal(await api.server.verifyCaches(), true)
        assert.deepEqual(api.errors, [])
      } finally {
        await api.close()
      }
    }),
    { numRuns: RUNS },
  )
})
