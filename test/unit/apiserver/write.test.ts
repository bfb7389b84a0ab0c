import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { createMemoryStore } from '../../../src/controlplane/store/memory-store.ts'
import { CONFIG_MAPS_PATH, configMap, startTestServer, type TestServer, type WireAnswer } from './server-fixture.ts'

const PODS = '/api/v1/namespaces/default/pods'
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/default/leases'
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

let api: TestServer
const clock = new VirtualClock(Date.UTC(2026, 0, 2, 3, 4, 5, 678))

before(async () => {
  api = await startTestServer({ clock })
})
after(async () => {
  await api.close()
  assert.deepEqual(api.errors, [])
})

const post = (path: string, body: unknown): Promise<WireAnswer> => api.wire({ method: 'POST', path, body })
const put = (path: string, body: unknown): Promise<WireAnswer> => api.wire({ method: 'PUT', path, body })
const get = (path: string): Promise<WireAnswer> => api.wire({ path })

interface Refusal {
  readonly name: string
  readonly path: string
  readonly body: unknown
  readonly code: number
  readonly reason: string
  readonly message: RegExp | string
  /** `field: reason` of each cause. */
  readonly causes?: readonly string[]
}

function checkRefusal({ status, body }: WireAnswer, { code, reason, message, causes }: Refusal): void {
  assert.deepEqual(
    [status, body.code, body.kind, body.status, body.reason],
    [code, code, 'Status', 'Failure', reason],
    body.message,
  )
  if (typeof message === 'string') assert.equal(body.message, message)
  else assert.match(body.message, message)
  if (causes !== undefined)
    assert.deepEqual(
      body.details.causes.map((cause: { field: string; reason: string }) => `${cause.field}: ${cause.reason}`),
      causes,
    )
}

describe('create', () => {
  test('gives the object its identity, time and version, in the order clients know', async () => {
    const { status, body, text } = await post(CONFIG_MAPS_PATH, {
      data: { a: '1' },
      metadata: {
        name: 'made',
        uid: 'mine',
        resourceVersion: '',
        generation: 7,
        managedFields: [],
        selfLink: '/x',
        creationTimestamp: '2001-01-01T00:00:00Z',
        deletionTimestamp: '2001-01-01T00:00:00Z',
      },
    })
    assert.equal(status, 201)
    assert.ok(text.startsWith('{"apiVersion":"v1","kind":"ConfigMap","metadata":{'), text)
    const { uid, resourceVersion, ...metadata } = body.metadata
    assert.match(uid, UUID)
    assert.match(resourceVersion, /^\d+$/)
    assert.deepEqual(metadata, { name: 'made', namespace: 'default', creationTimestamp: '2026-01-02T03:04:05Z' })
    assert.deepEqual((await get(`${CONFIG_MAPS_PATH}/made`)).body, body)
  })

  test('generates names that differ and are as short as they must be', async () => {
    const generateName = `${'g'.repeat(80)}-`
    const names = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const { status, body } = await post(CONFIG_MAPS_PATH, { metadata: { generateName } })
      assert.equal(status, 201)
      assert.match(body.metadata.name, /^g{58}[bcdfghjklmnpqrstvwxz2456789]{5}$/)
      assert.equal(body.metadata.generateName, generateName)
      names.add(body.metadata.name)
    }
    assert.equal(names.size, 20)
  })

  const refusals: readonly Refusal[] = [
    {
      name: 'no name',
      path: CONFIG_MAPS_PATH,
      body: {},
      code: 422,
      reason: 'Invalid',
      message: 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
      causes: ['metadata.name: FieldValueRequired'],
    },
    {
      name: 'a bad name',
      path: CONFIG_MAPS_PATH,
      body: configMap('A_b'),
      code: 422,
      reason: 'Invalid',
      message: /^ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must/,
      causes: ['metadata.name: FieldValueInvalid'],
    },
    {
      name: 'several bad fields at once',
      path: CONFIG_MAPS_PATH,
      body: configMap('x', { 'a/b': '' }, { labels: { '-': '' }, finalizers: ['x y'] }),
      code: 422,
      reason: 'Invalid',
      message: /^ConfigMap "x" is invalid: \[metadata\.labels: /,
      causes: [
        'metadata.labels: FieldValueInvalid',
        'metadata.finalizers[0]: FieldValueInvalid',
        'data[a/b]: FieldValueInvalid',
      ],
    },
    {
      name: 'a name that is taken',
      path: CONFIG_MAPS_PATH,
      body: configMap('made'),
      code: 409,
      reason: 'AlreadyExists',
      message: 'configmaps "made" already exists',
    },
    {
      name: 'a version',
      path: CONFIG_MAPS_PATH,
      body: configMap('x', {}, { resourceVersion: '5' }),
      code: 400,
      reason: 'BadRequest',
      message: 'resourceVersion should not be set on objects to be created',
    },
    {
      name: 'another namespace than the path',
      path: CONFIG_MAPS_PATH,
      body: configMap('x', {}, { namespace: 'other' }),
      code: 400,
      reason: 'BadRequest',
      message: 'the namespace of the provided object does not match the namespace sent on the request',
    },
    {
      name: 'a namespace that is not there',
      path: '/api/v1/namespaces/nowhere/configmaps',
      body: configMap('x'),
      code: 404,
      reason: 'NotFound',
      message: 'namespaces "nowhere" not found',
    },
    {
      name: 'another kind',
      path: CONFIG_MAPS_PATH,
      body: { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'x' } },
      code: 400,
      reason: 'BadRequest',
      message: /is a Secret \(v1\), but this path takes a ConfigMap \(v1\)/,
    },
    {
      name: 'another version',
      path: CONFIG_MAPS_PATH,
      body: { kind: 'ConfigMap', apiVersion: 'v2', metadata: { name: 'x' } },
      code: 400,
      reason: 'BadRequest',
      message: /ConfigMap \(v2\)/,
    },
    {
      name: 'a value of the wrong type',
      path: CONFIG_MAPS_PATH,
      body: { metadata: { name: 'x' }, data: { a: 1 } },
      code: 400,
      reason: 'BadRequest',
      message:
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
    },
    {
      name: 'a body that is no object',
      path: CONFIG_MAPS_PATH,
      body: '[1]',
      code: 400,
      reason: 'BadRequest',
      message: /must be of type map/,
    },
    {
      name: 'a body that is no JSON',
      path: CONFIG_MAPS_PATH,
      body: '{"metadata":',
      code: 400,
      reason: 'BadRequest',
      message: /couldn't parse the body/,
    },
    {
      name: 'no body',
      path: CONFIG_MAPS_PATH,
      body: undefined,
      code: 400,
      reason: 'BadRequest',
      message: /the body is no JSON object/,
    },
    {
      name: 'a name in the path',
      path: `${CONFIG_MAPS_PATH}/x`,
      body: configMap('x'),
      code: 405,
      reason: 'MethodNotAllowed',
      message: /does not allow this method/,
    },
    {
      name: 'a resource that is not there',
      path: '/api/v1/namespaces/default/widgets',
      body: {},
      code: 404,
      reason: 'NotFound',
      message: 'the server could not find the requested resource',
    },
    {
      name: 'a collection across namespaces',
      path: '/api/v1/configmaps',
      body: configMap('x'),
      code: 404,
      reason: 'NotFound',
      message: /could not find/,
    },
  ]
  for (const refusal of refusals)
    test(`refuses ${refusal.name}`, async () => checkRefusal(await post(refusal.path, refusal.body), refusal))

  test('refuses new content in a namespace that is going away', async () => {
    await post('/api/v1/namespaces', { metadata: { name: 'ending' } })
    await api.wire({ method: 'DELETE', path: '/api/v1/namespaces/ending' })
    const { status, body } = await post('/api/v1/namespaces/ending/configmaps', configMap('late'))
    assert.deepEqual([status, body.reason, body.details.causes[0].reason], [403, 'Forbidden', 'NamespaceTerminating'])
    assert.equal(
      body.message,
      'configmaps "late" is forbidden: unable to create new content in namespace ending because it is being terminated',
    )
  })
})

describe('dryRun', () => {
  test('shows what would be and changes nothing', async () => {
    const created = await post(`${CONFIG_MAPS_PATH}?dryRun=All`, configMap('dry'))
    assert.equal(created.status, 201)
    assert.match(created.body.metadata.uid, UUID)
    assert.equal(created.body.metadata.resourceVersion, undefined)
    assert.equal((await get(`${CONFIG_MAPS_PATH}/dry`)).status, 404)
    await post(CONFIG_MAPS_PATH, configMap('dry', { a: '1' }))
    const before = (await get(`${CONFIG_MAPS_PATH}/dry`)).text
    assert.equal((await put(`${CONFIG_MAPS_PATH}/dry?dryRun=All`, configMap('dry', { a: '2' }))).body.data.a, '2')
    const patched = await api.wire({
      method: 'PATCH',
      path: `${CONFIG_MAPS_PATH}/dry?dryRun=All`,
      headers: { 'content-type': 'application/merge-patch+json' },
      body: { data: { a: '3' } },
    })
    assert.equal(patched.body.data.a, '3')
    assert.equal((await api.wire({ method: 'DELETE', path: `${CONFIG_MAPS_PATH}/dry?dryRun=All` })).status, 200)
    assert.equal(
      (await api.wire({ method: 'DELETE', path: `${CONFIG_MAPS_PATH}/dry`, body: { dryRun: ['All'] } })).status,
      200,
    )
    assert.equal((await api.wire({ method: 'DELETE', path: `${CONFIG_MAPS_PATH}?dryRun=All` })).status, 200)
    assert.equal((await get(`${CONFIG_MAPS_PATH}/dry`)).text, before)
  })

  test('still refuses what would be refused', async () => {
    assert.equal((await post(`${CONFIG_MAPS_PATH}?dryRun=All`, configMap('dry'))).status, 409)
    assert.equal((await post(`${CONFIG_MAPS_PATH}?dryRun=All`, configMap('B'))).status, 422)
    const { status, body } = await post(`${CONFIG_MAPS_PATH}?dryRun=Some`, configMap('dry'))
    assert.deepEqual([status, body.details.causes[0].reason], [422, 'FieldValueNotSupported'])
  })
})

describe('fieldValidation', () => {
  const doubled = '{"metadata":{"name":"NAME"},"data":{"a":"1","a":"2"},"foo":1,"metadata":{"name":"NAME","bar":2}}'
  const write = (name: string, validation: string): Promise<WireAnswer> =>
    post(`${CONFIG_MAPS_PATH}${validation}`, doubled.replaceAll('NAME', name))

  test('Strict refuses unknown and doubled fields and names them all', async () => {
    const { status, body } = await write('strict', '?fieldValidation=Strict')
    assert.equal(status, 400)
    assert.equal(
      body.message,
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "metadata.bar", unknown field "foo", duplicate field "data.a", duplicate field "metadata"',
    )
    assert.equal((await get(`${CONFIG_MAPS_PATH}/strict`)).status, 404)
  })

  test('Warn, the default, takes the last one, drops the unknown and warns of each', async () => {
    for (const [name, validation] of [
      ['warn-a', ''],
      ['warn-b', '?fieldValidation=Warn'],
      ['warn-c', '?fieldValidation='],
    ] as const) {
      const { status, body, headers } = await write(name, validation)
      assert.equal(status, 201)
      assert.deepEqual(body.data, { a: '2' })
      assert.equal(body.foo, undefined)
      assert.equal(
        headers.warning,
        [
          'unknown field \\"metadata.bar\\"',
          'unknown field \\"foo\\"',
          'duplicate field \\"data.a\\"',
          'duplicate field \\"metadata\\"',
        ]
          .map((text) => `299 - "${text}"`)
          .join(', '),
      )
    }
  })

  test('Ignore says nothing', async () => {
    const { status, headers } = await write('ignore', '?fieldValidation=Ignore')
    assert.deepEqual([status, headers.warning], [201, undefined])
  })

  test('anything else is refused', async () => {
    assert.equal((await write('no', '?fieldValidation=Maybe')).status, 422)
  })

  test('holds for a PUT, a patch and YAML', async () => {
    const strict = '?fieldValidation=Strict'
    const path = `${CONFIG_MAPS_PATH}/warn-a${strict}`
    assert.equal((await put(path, { metadata: { name: 'warn-a' }, foo: 1 })).status, 400)
    const patch = await api.wire({
      method: 'PATCH',
      path,
      headers: { 'content-type': 'application/merge-patch+json' },
      body: { foo: 1 },
    })
    assert.deepEqual([patch.status, patch.body.reason], [422, 'Invalid'])
    assert.match(patch.body.message, /patch: Invalid value: .*strict decoding error: unknown field "foo"/)
    const yaml = await api.wire({
      method: 'POST',
      path: `${CONFIG_MAPS_PATH}${strict}`,
      headers: { 'content-type': 'application/yaml' },
      body: 'metadata: {name: strict}\ndata:\n  a: "1"\n  a: "2"\n',
    })
    assert.equal(yaml.status, 400)
    assert.match(yaml.body.message, /duplicate field "data.a"/)
  })
})

describe('update', () => {
  test('replaces the whole object and keeps what only the server decides', async () => {
    const made = (await post(CONFIG_MAPS_PATH, configMap('update', { a: '1' }, { labels: { x: 'y' } }))).body
    await clock.advance(5_000)
    const next = (
      await put(
        `${CONFIG_MAPS_PATH}/update`,
        configMap('update', { b: '2' }, { creationTimestamp: null, uid: made.metadata.uid }),
      )
    ).body
    assert.deepEqual(next.data, { b: '2' })
    assert.equal(next.metadata.labels, undefined)
    assert.equal(next.metadata.uid, made.metadata.uid)
    assert.equal(next.metadata.creationTimestamp, made.metadata.creationTimestamp)
    assert.ok(Number(next.metadata.resourceVersion) > Number(made.metadata.resourceVersion))
  })

  test('writes nothing when nothing changes', async () => {
    const now = (await get(`${CONFIG_MAPS_PATH}/update`)).body
    const again = (await put(`${CONFIG_MAPS_PATH}/update`, { data: now.data, metadata: { name: 'update' } })).body
    assert.equal(again.metadata.resourceVersion, now.metadata.resourceVersion)
  })

  test('of an old version is a conflict; without one, or at 0, it is not asked', async () => {
    const old = (await get(`${CONFIG_MAPS_PATH}/update`)).body
    await put(`${CONFIG_MAPS_PATH}/update`, configMap('update', { c: '3' }))
    const { status, body } = await put(`${CONFIG_MAPS_PATH}/update`, { ...old, data: { d: '4' } })
    assert.deepEqual([status, body.reason], [409, 'Conflict'])
    assert.equal(
      body.message,
      'Operation cannot be fulfilled on configmaps "update": the object has been modified; please apply your changes to the latest version and try again',
    )
    assert.equal(
      (await put(`${CONFIG_MAPS_PATH}/update`, configMap('update', { e: '5' }, { resourceVersion: '0' }))).status,
      200,
    )
  })

  test('of many at once, each on the version it read: one wins each round, nothing is lost', async () => {
    await post(CONFIG_MAPS_PATH, configMap('counter', { n: '0' }))
    const add = async (): Promise<void> => {
      for (;;) {
        const { body } = await get(`${CONFIG_MAPS_PATH}/counter`)
        const { status } = await put(`${CONFIG_MAPS_PATH}/counter`, {
          ...body,
          data: { n: String(Number(body.data.n) + 1) },
        })
        if (status === 200) return
        assert.equal(status, 409)
      }
    }
    await Promise.all(Array.from({ length: 20 }, add))
    assert.equal((await get(`${CONFIG_MAPS_PATH}/counter`)).body.data.n, '20')
  })

  test('bumps the generation when the specification changes, and only then', async () => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'a' }] } }
    const spec = { selector: { matchLabels: { a: 'b' } }, template }
    const made = (await post(DEPLOYMENTS, { metadata: { name: 'gen' }, spec })).body
    assert.equal(made.metadata.generation, 1)
    const labelled = (await put(`${DEPLOYMENTS}/gen`, { ...made, metadata: { ...made.metadata, labels: { x: 'y' } } }))
      .body
    assert.equal(labelled.metadata.generation, 1)
    const scaled = (await put(`${DEPLOYMENTS}/gen`, { ...labelled, spec: { ...labelled.spec, replicas: 3 } })).body
    assert.equal(scaled.metadata.generation, 2)
  })

  test('creates a missing object where the kind allows that, and says so', async () => {
    const lease = { metadata: { name: 'new' }, spec: { holderIdentity: 'me' } }
    assert.equal((await put(`${LEASES}/new`, lease)).status, 201)
    const { status, body } = await put(`${LEASES}/new`, lease)
    assert.equal(status, 422)
    assert.match(body.message, /metadata.resourceVersion: Required value: must be specified for an update/)
    assert.equal((await put(`${CONFIG_MAPS_PATH}/absent`, configMap('absent'))).status, 404)
  })

  const refusals: readonly Refusal[] = [
    {
      name: 'another name than the path',
      path: `${CONFIG_MAPS_PATH}/update`,
      body: configMap('else'),
      code: 400,
      reason: 'BadRequest',
      message: 'the name of the object (else) does not match the name on the URL (update)',
    },
    {
      name: 'another uid',
      path: `${CONFIG_MAPS_PATH}/update`,
      body: configMap('update', {}, { uid: 'x' }),
      code: 409,
      reason: 'Conflict',
      message: /Precondition failed: UID in precondition: x, UID in object meta: /,
    },
    {
      name: 'a version that is no number',
      path: `${CONFIG_MAPS_PATH}/update`,
      body: configMap('update', {}, { resourceVersion: 'x' }),
      code: 422,
      reason: 'Invalid',
      message: /metadata.resourceVersion: Invalid value: "x"/,
    },
    {
      name: 'an object that is not there',
      path: `${CONFIG_MAPS_PATH}/none`,
      body: configMap('none'),
      code: 404,
      reason: 'NotFound',
      message: 'configmaps "none" not found',
    },
    {
      name: 'a change of what may not change',
      path: `${DEPLOYMENTS}/gen`,
      body: {
        metadata: { name: 'gen' },
        spec: {
          selector: { matchLabels: { c: 'd' } },
          template: { metadata: { labels: { c: 'd' } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
        },
      },
      code: 422,
      reason: 'Invalid',
      message: /spec.selector: Invalid value: .*field is immutable/,
      causes: ['spec.selector: FieldValueInvalid'],
    },
    {
      name: 'a collection',
      path: CONFIG_MAPS_PATH,
      body: configMap('x'),
      code: 405,
      reason: 'MethodNotAllowed',
      message: /does not allow/,
    },
  ]
  for (const refusal of refusals)
    test(`refuses ${refusal.name}`, async () => checkRefusal(await put(refusal.path, refusal.body), refusal))
})

describe('patch', () => {
  const patch = (path: string, kind: string, body: unknown): Promise<WireAnswer> =>
    api.wire({ method: 'PATCH', path, headers: { 'content-type': `application/${kind}+json` }, body })
  const CM = `${CONFIG_MAPS_PATH}/patched`
  const POD = `${PODS}/patched`

  before(async () => {
    await post(CONFIG_MAPS_PATH, configMap('patched', { a: '1', b: '2' }))
    await post(PODS, {
      metadata: { name: 'patched' },
      spec: {
        containers: [
          { name: 'a', image: 'a:1' },
          { name: 'b', image: 'b:1' },
        ],
      },
    })
  })

  test('merge: sets, removes with null, replaces lists', async () => {
    const { status, body } = await patch(CM, 'merge-patch', {
      data: { a: null, c: '3' },
      metadata: { labels: { x: 'y' } },
    })
    assert.equal(status, 200)
    assert.deepEqual([body.data, body.metadata.labels], [{ b: '2', c: '3' }, { x: 'y' }])
  })

  test('JSON: all operations or none', async () => {
    const ops = [
      { op: 'test', path: '/data/b', value: '2' },
      { op: 'move', from: '/data/b', path: '/data/d' },
      { op: 'add', path: '/metadata/labels/a~1b', value: 'z' },
    ]
    assert.deepEqual((await patch(CM, 'json-patch', ops)).body.data, { c: '3', d: '2' })
    const failing = await patch(CM, 'json-patch', [
      { op: 'remove', path: '/data/c' },
      { op: 'test', path: '/data/d', value: 'no' },
    ])
    assert.deepEqual([failing.status, failing.body.reason], [422, 'Invalid'])
    assert.deepEqual((await get(CM)).body.data, { c: '3', d: '2' })
  })

  test('strategic: lists merge by their key', async () => {
    const { body } = await patch(POD, 'strategic-merge-patch', { spec: { containers: [{ name: 'b', image: 'b:2' }] } })
    assert.deepEqual(
      body.spec.containers.map(({ image }: { image: string }) => image),
      ['a:1', 'b:2'],
    )
  })

  test('a patch with a version is bound to it', async () => {
    const stale = await patch(CM, 'merge-patch', { metadata: { resourceVersion: '1' }, data: { x: 'y' } })
    assert.deepEqual([stale.status, stale.body.reason], [409, 'Conflict'])
    const { resourceVersion } = (await get(CM)).body.metadata
    assert.equal((await patch(CM, 'merge-patch', { metadata: { resourceVersion }, data: { x: 'y' } })).status, 200)
  })

  test('many patches at once all take effect', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => patch(CM, 'merge-patch', { data: { [`p${i}`]: 'x' } })),
    )
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array(8).fill(200),
    )
    assert.equal(Object.keys((await get(CM)).body.data).filter((key) => key.startsWith('p')).length, 8)
  })

  test('a patch that changes nothing writes nothing', async () => {
    const before = (await get(CM)).body.metadata.resourceVersion
    assert.equal((await patch(CM, 'merge-patch', { data: { c: '3' } })).body.metadata.resourceVersion, before)
  })

  const rows: readonly (Omit<Refusal, 'path'> & { readonly path?: string; readonly kind: string })[] = [
    {
      name: 'server-side apply, which this server does not have',
      kind: 'apply-patch+yaml',
      body: 'data: {}',
      code: 415,
      reason: 'UnsupportedMediaType',
      message: /no server-side apply; patches it accepts: application\/json-patch\+json/,
    },
    {
      name: 'a type that is no patch',
      kind: 'json',
      body: {},
      code: 415,
      reason: 'UnsupportedMediaType',
      message: /accepted media types include: application\/json-patch\+json/,
    },
    {
      name: 'a name other than the path',
      kind: 'merge-patch+json',
      body: { metadata: { name: 'x' } },
      code: 400,
      reason: 'BadRequest',
      message: /does not match the name on the URL/,
    },
    {
      name: 'a wrong type',
      kind: 'merge-patch+json',
      body: { data: { a: 1 } },
      code: 422,
      reason: 'Invalid',
      message: /patch: Invalid value: "?\{"data":\{"a":1\}\}"?: .*cannot unmarshal number/,
    },
    {
      name: 'what makes no object',
      kind: 'merge-patch+json',
      body: '"x"',
      code: 422,
      reason: 'Invalid',
      message: /patch: Invalid value/,
    },
    {
      name: 'an operation that does not exist',
      kind: 'json-patch+json',
      body: [{ op: 'x', path: '/data' }],
      code: 400,
      reason: 'BadRequest',
      message: /"x" is no operation/,
    },
    {
      name: 'a JSON patch that is no list',
      kind: 'json-patch+json',
      body: {},
      code: 400,
      reason: 'BadRequest',
      message: /not a list/,
    },
    {
      name: 'a path that leads nowhere',
      kind: 'json-patch+json',
      body: [{ op: 'remove', path: '/spec/x' }],
      code: 422,
      reason: 'Invalid',
      message: /the server rejected our request due to an error in our request/,
    },
    {
      name: 'an unknown directive',
      kind: 'strategic-merge-patch+json',
      body: { data: { $patch: 'x' } },
      code: 400,
      reason: 'BadRequest',
      message: /unknown patch type/,
    },
    {
      name: 'what the object then may not be',
      kind: 'merge-patch+json',
      body: { data: { 'a/b': 'x' } },
      code: 422,
      reason: 'Invalid',
      message: /data\[a\/b\]: Invalid value/,
      causes: ['data[a/b]: FieldValueInvalid'],
    },
    {
      name: 'an object that is not there',
      path: `${CONFIG_MAPS_PATH}/none`,
      kind: 'merge-patch+json',
      body: {},
      code: 404,
      reason: 'NotFound',
      message: 'configmaps "none" not found',
    },
    {
      name: 'a collection',
      path: CONFIG_MAPS_PATH,
      kind: 'merge-patch+json',
      body: {},
      code: 405,
      reason: 'MethodNotAllowed',
      message: /does not allow/,
    },
  ]
  for (const row of rows)
    test(`refuses ${row.name}`, async () => {
      const path = row.path ?? CM
      const headers = { 'content-type': `application/${row.kind}` }
      checkRefusal(await api.wire({ method: 'PATCH', path, headers, body: row.body }), { ...row, path })
    })
})

describe('bodies', () => {
  const send = (type: string | undefined, body: unknown, more: object = {}): Promise<WireAnswer> =>
    api.wire({
      method: 'POST',
      path: CONFIG_MAPS_PATH,
      headers: { ...(type === undefined ? {} : { 'content-type': type }), ...more },
      body,
    })

  test('YAML is read as Go reads it', async () => {
    const text =
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\nimmutable: yes\ndata:\n  a: "1"\n  date: "2026-01-01"\n'
    const { status, body } = await send('application/yaml', text)
    assert.equal(status, 201, JSON.stringify(body))
    assert.deepEqual([body.immutable, body.data.date], [true, '2026-01-01'])
  })

  test('no type, or one with a charset, is JSON', async () => {
    assert.equal((await send(undefined, configMap('json-a'))).status, 201)
    assert.equal((await send('application/json; charset=utf-8', configMap('json-b'))).status, 201)
  })

  const rows = [
    {
      name: 'another type',
      type: 'text/plain',
      body: 'x',
      more: {},
      code: 415,
      message: /accepted media types include: application\/json, application\/yaml/,
    },
    {
      name: 'a compressed body',
      type: 'application/json',
      body: 'x',
      more: { 'content-encoding': 'gzip' },
      code: 415,
      message: /may not be compressed/,
    },
    {
      name: 'bad YAML',
      type: 'application/yaml',
      body: 'a: [',
      more: {},
      code: 400,
      message: /error converting YAML to JSON: yaml:/,
    },
    {
      name: 'several documents',
      type: 'application/yaml',
      body: 'a: 1\n---\nb: 2\n',
      more: {},
      code: 400,
      message: /multiple documents/,
    },
    {
      name: 'more than 3 MiB',
      type: 'application/json',
      body: 'x'.repeat(3 * 1024 * 1024 + 1),
      more: {},
      code: 413,
      message: /Request entity too large: limit is 3145728/,
    },
  ]
  for (const { name, type, body, more, code, message } of rows)
    test(`refuses ${name}`, async () => {
      const answer = await send(type, body, more)
      assert.equal(answer.status, code)
      assert.match(answer.body.message, message)
    })

  test('an object does not grow by patches beyond what may be sent', async () => {
    const own = await startTestServer()
    const containers = [{ name: 'a', image: 'a', args: ['x'.repeat(1_400_000)] }]
    await own.wire({ method: 'POST', path: PODS, body: { metadata: { name: 'big' }, spec: { containers } } })
    const grow = (status: object): Promise<WireAnswer> =>
      own.wire({
        method: 'PATCH',
        path: `${PODS}/big/status`,
        headers: { 'content-type': 'application/merge-patch+json' },
        body: { status },
      })
    assert.equal((await grow({ message: 'x'.repeat(1_400_000) })).status, 200)
    const { status, body } = await grow({ reason: 'x'.repeat(1_400_000) })
    assert.deepEqual([status, body.reason], [413, 'RequestEntityTooLarge'])
    await own.close()
  })
})

test('a full disk refuses writes with 507, and reads and deletions go on', async () => {
  const { StoreError } = await import('../../../src/controlplane/store/store.ts')
  const memory = createMemoryStore()
  let full = false
  const store = {
    ...bound(memory),
    commit: (transaction: Parameters<typeof memory.commit>[0]) =>
      full && transaction.puts.length > 0
        ? Promise.reject(new StoreError('full', 'the disk is full'))
        : memory.commit(transaction),
  }
  const own = await startTestServer({ store })
  await own.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('a') })
  full = true
  const { status, body } = await own.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('b') })
  assert.deepEqual([status, body.code], [507, 507])
  assert.match(body.message, /disk is full/)
  assert.equal((await own.wire({ path: `${CONFIG_MAPS_PATH}/a` })).status, 200)
  assert.equal((await own.wire({ method: 'DELETE', path: `${CONFIG_MAPS_PATH}/a` })).status, 200)
  full = false
  assert.equal((await own.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('b') })).status, 201)
  await own.close()
  assert.deepEqual(own.errors, [])
})

/** The store's methods, free of it, to be replaced one by one. */
function bound(store: ReturnType<typeof createMemoryStore>): ReturnType<typeof createMemoryStore> {
  return {
    get: (...args) => store.get(...args),
    list: (...args) => store.list(...args),
    commit: (...args) => store.commit(...args),
    watch: (...args) => store.watch(...args),
    compact: (...args) => store.compact(...args),
    digest: (...args) => store.digest(...args),
    currentRevision: () => store.currentRevision(),
    close: () => store.close(),
  }
}
