import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { ResourceDefinition } from '../../../src/api/definition.ts'
import { DEFINITIONS } from '../../../src/api/definitions/all.ts'
import { encodeObject } from '../../../src/api/protobuf/encode-object.ts'
import { decodeEnvelope } from '../../../src/api/protobuf/envelope.ts'
import { WireReader } from '../../../src/api/protobuf/wire-reader.ts'
import { StatusError } from '../../../src/api/status-error.ts'
import { encodeResponse } from '../../../src/controlplane/apiserver/response/encode.ts'
import { CONTROL_PLANE_USER } from '../../../src/controlplane/apiserver/user.ts'
import { CONFIG_MAPS_PATH, configMap, startTestServer, type TestServer } from './server-fixture.ts'

const PROTOBUF = 'application/vnd.kubernetes.protobuf'
const METADATA = 'as=PartialObjectMetadata;g=meta.k8s.io;v=v1'

/** A kind that is not one of Kubernetes' own: it has no protobuf form. */
const WIDGETS: ResourceDefinition = {
  ...DEFINITIONS.find(({ resource }) => resource === 'configmaps')!,
  group: 'example.com',
  resource: 'widgets',
  singular: 'widget',
  kind: 'Widget',
  listKind: 'WidgetList',
  shortNames: [],
  storagePrefix: '/registry/example.com/widgets',
}
const WIDGETS_PATH = '/apis/example.com/v1/namespaces/default/widgets'

let server: TestServer
before(async () => {
  server = await startTestServer({ definitions: [...DEFINITIONS, WIDGETS] })
})
after(async () => {
  await server.close()
  assert.deepEqual(server.errors, [])
})

interface Asked {
  readonly method?: string
  readonly path: string
  readonly accept?: string
  readonly type?: string
  readonly body?: Uint8Array
}

/** What was answered, as bytes; a stream stays one. */
async function ask({ method = 'GET', path, accept, type, body }: Asked, signal = new AbortController().signal) {
  const [bare = '', query = ''] = path.split('?')
  return server.server.handle({
    method,
    path: bare,
    query: new URLSearchParams(query),
    headers: { accept, 'content-type': type },
    user: CONTROL_PLANE_USER,
    readBody: async () => body ?? new Uint8Array(0),
    gone: () => signal,
  })
}

interface Decoded {
  readonly status: number
  readonly type: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: tests reach into answers of every shape
  readonly object: any
}

async function decodedAnswer(asked: Asked): Promise<Decoded> {
  const { status, headers, body } = await ask(asked)
  const bytes = body as Uint8Array
  const type = headers['content-type']
  const object = type?.startsWith(PROTOBUF) ? decodeEnvelope(bytes) : JSON.parse(Buffer.from(bytes).toString())
  return { status, type, object }
}

function post(path: string, object: object): Promise<Decoded> {
  return decodedAnswer({ method: 'POST', path, type: PROTOBUF, accept: PROTOBUF, body: encodeObject(object) })
}

test('an object created in protobuf is the one that is read in JSON', async () => {
  const created = await post(CONFIG_MAPS_PATH, configMap('both', { a: 'ü' }))
  assert.equal(created.status, 201)
  assert.equal(created.type, PROTOBUF)
  const read = await decodedAnswer({ path: `${CONFIG_MAPS_PATH}/both` })
  assert.equal(read.type, 'application/json')
  assert.deepEqual(created.object, read.object)
  const again = await decodedAnswer({ path: `${CONFIG_MAPS_PATH}/both`, accept: PROTOBUF })
  assert.deepEqual(again.object, read.object)
})

test('an update that changes nothing in protobuf writes nothing', async () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'same', labels: { a: 'b' } },
    spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }] }] },
  }
  const created = await post('/api/v1/namespaces/default/pods', pod)
  assert.equal(created.status, 201)
  const updated = await decodedAnswer({
    method: 'PUT',
    path: '/api/v1/namespaces/default/pods/same',
    type: PROTOBUF,
    accept: PROTOBUF,
    body: encodeObject(created.object),
  })
  assert.deepEqual(updated.object, created.object)
})

test('options of a deletion, a binding and an eviction come in protobuf', async () => {
  const pods = '/api/v1/namespaces/default/pods'
  const pod = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  })
  for (const name of ['bound', 'evicted']) assert.equal((await post(pods, pod(name))).status, 201)
  const binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: 'bound' },
    target: { kind: 'Node', name: 'n' },
  }
  assert.equal((await post(`${pods}/bound/binding`, binding)).status, 201)
  assert.equal((await decodedAnswer({ path: `${pods}/bound` })).object.spec.nodeName, 'n')
  const eviction = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: 'evicted', namespace: 'default' },
    deleteOptions: { gracePeriodSeconds: 0 },
  }
  const evicted = await post(`${pods}/evicted/eviction`, eviction)
  assert.deepEqual([evicted.object.kind, evicted.object.status], ['Status', 'Success'])
  assert.equal((await decodedAnswer({ path: `${pods}/evicted` })).status, 404)
  const wrong = await decodedAnswer({
    method: 'DELETE',
    path: `${pods}/bound`,
    type: PROTOBUF,
    accept: PROTOBUF,
    body: encodeObject({ apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: 'another' } } as object),
  })
  assert.deepEqual([wrong.status, wrong.object.reason, wrong.type], [409, 'Conflict', PROTOBUF])
})

test('the scale of a deployment in protobuf, there and back', async () => {
  const path = '/apis/apps/v1/namespaces/default/deployments'
  const labels = { app: 'web' }
  const created = await post(path, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  })
  assert.equal(created.status, 201)
  const scale = await decodedAnswer({ path: `${path}/web/scale`, accept: PROTOBUF })
  assert.deepEqual(
    [scale.object.apiVersion, scale.object.kind, scale.object.spec],
    ['autoscaling/v1', 'Scale', { replicas: 3 }],
  )
  const scaled = await decodedAnswer({
    method: 'PUT',
    path: `${path}/web/scale`,
    type: PROTOBUF,
    accept: PROTOBUF,
    body: encodeObject({ ...scale.object, spec: { replicas: 0 } }),
  })
  assert.equal(scaled.status, 200)
  assert.equal((await decodedAnswer({ path: `${path}/web` })).object.spec.replicas, 0)
})

test('a list holds its items, without their types as Go has them', async () => {
  const { type, object } = await decodedAnswer({ path: `${CONFIG_MAPS_PATH}?limit=1`, accept: PROTOBUF })
  const json = await decodedAnswer({ path: `${CONFIG_MAPS_PATH}?limit=1` })
  assert.equal(type, PROTOBUF)
  assert.deepEqual([object.apiVersion, object.kind, object.items.length], ['v1', 'ConfigMapList', 1])
  assert.equal(object.metadata.resourceVersion, json.object.metadata.resourceVersion)
  assert.deepEqual({ apiVersion: 'v1', kind: 'ConfigMap', ...object.items[0] }, json.object.items[0])
})

// As kube-apiserver negotiates: the first of the client's media ranges that can be had.
const NEGOTIATION: readonly { readonly name: string; readonly accept: string; readonly want: string }[] = [
  { name: 'protobuf first', accept: `${PROTOBUF},application/json`, want: PROTOBUF },
  { name: 'JSON first', accept: `application/json,${PROTOBUF}`, want: 'application/json' },
  { name: 'protobuf liked more', accept: `application/json;q=0.5, ${PROTOBUF};q=0.9`, want: PROTOBUF },
  { name: 'anything', accept: '*/*', want: 'application/json' },
  {
    name: 'a table cannot be had in protobuf',
    accept: `${PROTOBUF};as=Table;g=meta.k8s.io;v=v1,application/json`,
    want: 'application/json',
  },
  { name: 'metadata can', accept: `${PROTOBUF};${METADATA},application/json`, want: PROTOBUF },
]
for (const { name, accept, want } of NEGOTIATION) {
  test(`negotiation: ${name}`, async () => {
    assert.equal((await decodedAnswer({ path: CONFIG_MAPS_PATH, accept })).type, want)
  })
}

test('metadata alone, of one and of all', async () => {
  const accept = `${PROTOBUF};${METADATA}`
  const one = await decodedAnswer({ path: `${CONFIG_MAPS_PATH}/both`, accept })
  assert.deepEqual(
    [one.object.kind, one.object.metadata.name, one.object.data],
    ['PartialObjectMetadata', 'both', undefined],
  )
  const all = await decodedAnswer({ path: CONFIG_MAPS_PATH, accept })
  assert.equal(all.object.kind, 'PartialObjectMetadataList')
  assert.deepEqual(all.object.items[0].metadata, one.object.metadata)
})

test('a kind without protobuf refuses it both ways, in JSON', async () => {
  const widget = { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w' } }
  const created = await decodedAnswer({
    method: 'POST',
    path: WIDGETS_PATH,
    type: 'application/json',
    accept: `${PROTOBUF},application/json`,
    body: Buffer.from(JSON.stringify(widget)),
  })
  assert.deepEqual([created.status, created.type], [201, 'application/json'])
  const sent = await decodedAnswer({
    method: 'POST',
    path: WIDGETS_PATH,
    type: PROTOBUF,
    body: encodeObject(configMap('w2')),
  })
  assert.deepEqual([sent.status, sent.object.reason], [415, 'UnsupportedMediaType'])
  assert.equal((await decodedAnswer({ path: WIDGETS_PATH, accept: PROTOBUF })).status, 406)
  const metadata = await decodedAnswer({ path: WIDGETS_PATH, accept: `${PROTOBUF};${METADATA}` })
  assert.deepEqual([metadata.status, metadata.object.items[0].metadata.name], [200, 'w'])
})

const BAD: readonly { readonly name: string; readonly body: Uint8Array; readonly want: RegExp }[] = [
  { name: 'JSON under the name of protobuf', body: Buffer.from('{}'), want: /does not start as a protobuf object/ },
  { name: 'a cut object', body: encodeObject(configMap('a')).subarray(0, 25), want: /unexpected end of data/ },
  { name: 'another kind', body: encodeObject({ apiVersion: 'v1', kind: 'Secret' }), want: /is a Secret \(v1\)/ },
  { name: 'a kind of nobody', body: Buffer.from('k8s\0\n\x0c\n\x02v1\x12\x06Cheese'), want: /no kind "Cheese"/ },
]
for (const { name, body, want } of BAD) {
  test(`400: ${name}`, async () => {
    const { status, type, object } = await decodedAnswer({
      method: 'POST',
      path: CONFIG_MAPS_PATH,
      type: PROTOBUF,
      accept: PROTOBUF,
      body,
    })
    assert.deepEqual([status, type, object.kind, object.reason], [400, PROTOBUF, 'Status', 'BadRequest'])
    assert.match(object.message, want)
  })
}

test('errors come in the form that was asked for', async () => {
  const missing = await decodedAnswer({ path: `${CONFIG_MAPS_PATH}/none`, accept: PROTOBUF })
  assert.deepEqual([missing.status, missing.type, missing.object.code], [404, PROTOBUF, 404])
  assert.deepEqual(missing.object.details, { name: 'none', kind: 'configmaps' })
  const invalid = await post(CONFIG_MAPS_PATH, configMap('No!'))
  assert.deepEqual([invalid.status, invalid.object.details.causes[0].field], [422, 'metadata.name'])
  const table = `${PROTOBUF};as=Table;g=meta.k8s.io;v=v1`
  assert.equal((await decodedAnswer({ path: `${CONFIG_MAPS_PATH}/none`, accept: table })).type, 'application/json')
})

test('discovery, plain and aggregated, and OpenAPI v2 in protobuf', async () => {
  const resources = await decodedAnswer({ path: '/apis/apps/v1', accept: PROTOBUF })
  assert.equal(resources.type, PROTOBUF)
  const deployments = resources.object.resources.find(({ name }: { readonly name: string }) => name === 'deployments')
  assert.deepEqual(
    [deployments.kind, deployments.shortNames, deployments.verbs.includes('watch')],
    ['Deployment', ['deploy'], true],
  )
  assert.deepEqual((await decodedAnswer({ path: '/api', accept: PROTOBUF })).object.versions, ['v1'])
  const aggregated = 'as=APIGroupDiscoveryList;g=apidiscovery.k8s.io;v=v2'
  const groups = await decodedAnswer({
    path: '/apis',
    accept: `${PROTOBUF};${aggregated},application/json;${aggregated}`,
  })
  assert.ok(groups.type?.startsWith(`${PROTOBUF};g=apidiscovery.k8s.io;v=v2`))
  const json = await decodedAnswer({ path: '/apis', accept: `application/json;${aggregated}` })
  assert.deepEqual(groups.object.items.length, json.object.items.length)

  for (const name of ['spec.v2@v1.0', 'spec.v2.v1.0']) {
    const accept = `application/com.github.proto-openapi.${name}+protobuf`
    const { status, headers, body } = await ask({ path: '/openapi/v2', accept })
    assert.deepEqual(
      [status, headers['content-type']],
      [200, 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'],
    )
    // Its first field says the version.
    const reader = new WireReader(body as Uint8Array)
    assert.equal(reader.tag(reader.bytes.length), (1 << 3) | 2)
    assert.equal(reader.string(reader.bytes.length), '2.0')
  }
  const plain = await ask({ path: '/openapi/v2', accept: 'application/json' })
  assert.equal(JSON.parse(Buffer.from(plain.body as Uint8Array).toString()).swagger, '2.0')
})

interface Frame {
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly object: any
}

/** The frames in a piece of a watch. */
function framesOf(chunk: Uint8Array): readonly Frame[] {
  const frames: Frame[] = []
  const reader = new WireReader(chunk)
  while (reader.pos < chunk.length) {
    const end = reader.pos + 4 + reader.bytes.readUInt32BE(reader.pos)
    reader.pos += 4
    assert.equal(reader.tag(end), (1 << 3) | 2)
    const type = reader.string(end)
    assert.equal(reader.tag(end), (2 << 3) | 2)
    assert.equal(reader.lengthEnd(end), end)
    assert.equal(reader.tag(end), (1 << 3) | 2)
    assert.equal(reader.lengthEnd(end), end)
    frames.push({ type, object: decodeEnvelope(chunk.subarray(reader.pos, end)) })
    reader.pos = end
  }
  return frames
}

async function watching(path: string, accept: string): Promise<AsyncIterator<Uint8Array>> {
  const { status, headers, body } = await ask({ path: `${path}${path.includes('?') ? '&' : '?'}watch=1`, accept })
  assert.deepEqual([status, headers['content-type']], [200, `${PROTOBUF};stream=watch`])
  return (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
}

test('a watch in protobuf: what is there, then changes, encoded once for all who watch', async () => {
  const path = `${CONFIG_MAPS_PATH}?fieldSelector=metadata.name=both`
  const watchers = await Promise.all([1, 2].map(() => watching(path, `${PROTOBUF};stream=watch,application/json`)))
  const [first, second] = watchers as [AsyncIterator<Uint8Array>, AsyncIterator<Uint8Array>]
  for (const watcher of watchers) {
    const [added] = framesOf((await watcher.next()).value)
    assert.deepEqual([added?.type, added?.object.data], ['ADDED', { a: 'ü' }])
  }
  await decodedAnswer({
    method: 'PATCH',
    path: `${CONFIG_MAPS_PATH}/both`,
    type: 'application/merge-patch+json',
    body: Buffer.from('{"data":{"a":"b"}}'),
  })
  const chunks = [(await first.next()).value, (await second.next()).value]
  assert.equal(chunks[0], chunks[1], 'the very same bytes')
  const [modified] = framesOf(chunks[0])
  assert.deepEqual([modified?.type, modified?.object.data], ['MODIFIED', { a: 'b' }])
  await Promise.all(watchers.map((watcher) => watcher.return?.()))
})

test('the error that ends a watch is a frame like the others', async () => {
  const status = new StatusError('Expired', 'too old resource version: 1 (2)').toStatus()
  const batches = (async function* () {
    yield [{ kind: 'error' as const, status }]
  })()
  const form = { kind: 'plain', encoding: 'protobuf' } as const
  const { body } = encodeResponse(WIDGETS, { kind: 'watch', batches }, form, () => 0)
  const { value } = await (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]().next()
  assert.deepEqual(
    framesOf(value).map(({ type, object }) => [type, object.kind, object.reason, object.code]),
    [['ERROR', 'Status', 'Expired', 410]],
  )
})

test('bookmarks and metadata of a watch in protobuf', async () => {
  const initial = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
  const watcher = await watching(`${CONFIG_MAPS_PATH}?${initial}`, PROTOBUF)
  const frames = framesOf((await watcher.next()).value)
  const last = frames.at(-1)
  assert.deepEqual(
    [last?.type, last?.object.kind, last?.object.metadata.annotations],
    ['BOOKMARK', 'ConfigMap', { 'k8s.io/initial-events-end': 'true' }],
  )
  await watcher.return?.()
  const metadata = await watching(CONFIG_MAPS_PATH, `${PROTOBUF};${METADATA}`)
  assert.equal(framesOf((await metadata.next()).value)[0]?.object.kind, 'PartialObjectMetadata')
  await metadata.return?.()
})
