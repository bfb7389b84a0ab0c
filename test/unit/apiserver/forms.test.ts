import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CONFIG_MAPS_PATH, configMap, startTestServer, type TestServer, type WireAnswer } from './server-fixture.ts'

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io'
const METADATA = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io'
const METADATA_LIST = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io'

let api: TestServer
before(async () => {
  api = await startTestServer()
  for (const name of ['a', 'b'])
    await api.wire({
      method: 'POST',
      path: CONFIG_MAPS_PATH,
      body: configMap(name, { x: '1' }, { labels: { l: name } }),
    })
})
after(async () => {
  await api.close()
  assert.deepEqual(api.errors, [])
})

const as = (accept: string, path = CONFIG_MAPS_PATH, more: object = {}): Promise<WireAnswer> =>
  api.wire({ path, headers: { accept }, ...more })

describe('tables', () => {
  test('of a list: columns, rows, metadata of the list', async () => {
    const { status, headers, body } = await as(TABLE)
    assert.equal(status, 200)
    assert.match(headers['content-type']!, /^application\/json/)
    assert.deepEqual([body.kind, body.apiVersion], ['Table', 'meta.k8s.io/v1'])
    assert.deepEqual(
      body.columnDefinitions.map(({ name, type, format }: { name: string; type: string; format: string }) => [
        name,
        type,
        format,
      ]),
      [
        ['Name', 'string', 'name'],
        ['Data', 'string', ''],
        ['Age', 'string', ''],
      ],
    )
    assert.deepEqual(
      body.rows.map(({ cells }: { cells: unknown[] }) => cells.slice(0, 2)),
      [
        ['a', 1],
        ['b', 1],
      ],
    )
    assert.match(body.metadata.resourceVersion, /^\d+$/)
    assert.deepEqual(
      [body.rows[0].object.kind, body.rows[0].object.metadata.name, body.rows[0].object.data],
      ['PartialObjectMetadata', 'a', undefined],
    )
  })

  test('hold of each object what includeObject says', async () => {
    assert.equal((await as(TABLE, `${CONFIG_MAPS_PATH}?includeObject=None`)).body.rows[0].object, undefined)
    assert.deepEqual((await as(TABLE, `${CONFIG_MAPS_PATH}?includeObject=Object`)).body.rows[0].object.data, { x: '1' })
    assert.equal((await as(TABLE, `${CONFIG_MAPS_PATH}?includeObject=All`)).status, 400)
  })

  test('of one object, of a page, of what was just written', async () => {
    assert.equal((await as(TABLE, `${CONFIG_MAPS_PATH}/a`)).body.rows.length, 1)
    const page = (await as(TABLE, `${CONFIG_MAPS_PATH}?limit=1`)).body
    assert.deepEqual([page.rows.length, page.metadata.remainingItemCount], [1, 1])
    assert.ok(page.metadata.continue)
    const written = await as(TABLE, `${CONFIG_MAPS_PATH}?dryRun=All`, { method: 'POST', body: configMap('c') })
    assert.deepEqual([written.status, written.body.kind], [201, 'Table'])
  })

  test('of a watch: columns once, then a row for each event', async () => {
    const { text } = await as(TABLE, `${CONFIG_MAPS_PATH}?watch=1&resourceVersion=0`, { readMs: 100 })
    const [first, second] = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual([first.type, first.object.kind, first.object.columnDefinitions.length], ['ADDED', 'Table', 3])
    assert.deepEqual([second.object.columnDefinitions.length, second.object.rows[0].cells[0]], [0, 'b'])
  })

  test('of an older version are not made; the next that is asked for is', async () => {
    const old = 'application/json;as=Table;v=v1beta1;g=meta.k8s.io'
    assert.equal((await as(`${old},application/json`)).body.kind, 'ConfigMapList')
    assert.equal((await as(`${TABLE},${old},application/json`)).body.kind, 'Table')
    assert.equal((await as(old)).status, 406)
  })

  test('are not made of what has no rows: 406, before anything is done', async () => {
    const reviews = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
    const review = { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } }
    const { status, body } = await as(TABLE, reviews, { method: 'POST', body: review })
    assert.deepEqual([status, body.kind, body.reason], [406, 'Status', 'NotAcceptable'])
    await api.wire({
      method: 'POST',
      path: '/api/v1/namespaces/default/pods',
      body: { metadata: { name: 'p' }, spec: { containers: [{ name: 'a', image: 'a' }] } },
    })
    const binding = await as(TABLE, '/api/v1/namespaces/default/pods/p/binding', {
      method: 'POST',
      body: { metadata: { name: 'p' }, target: { name: 'n' } },
    })
    assert.equal(binding.status, 406)
    assert.equal((await as('*/*', '/api/v1/namespaces/default/pods/p')).body.spec.nodeName, undefined)
  })

  test('a deletion and an error stay a Status', async () => {
    await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('gone') })
    assert.equal((await as(TABLE, `${CONFIG_MAPS_PATH}/gone`, { method: 'DELETE' })).body.kind, 'Status')
    assert.equal((await as(TABLE, `${CONFIG_MAPS_PATH}/gone`)).body.kind, 'Status')
  })
})

describe('metadata alone', () => {
  test('of one object, of a list, of a watch', async () => {
    const one = (await as(METADATA, `${CONFIG_MAPS_PATH}/a`)).body
    assert.deepEqual([one.kind, one.metadata.labels, one.data], ['PartialObjectMetadata', { l: 'a' }, undefined])
    const list = (await as(METADATA_LIST)).body
    assert.deepEqual(
      [list.kind, list.items.length, list.items[0].kind],
      ['PartialObjectMetadataList', 2, 'PartialObjectMetadata'],
    )
    const { text } = await as(METADATA, `${CONFIG_MAPS_PATH}?watch=1&resourceVersion=0`, { readMs: 100 })
    const { type, object } = JSON.parse(text.split('\n')[0]!)
    assert.deepEqual([type, object.kind, object.data], ['ADDED', 'PartialObjectMetadata', undefined])
  })
})

describe('the Accept header', () => {
  const rows: readonly { readonly accept: string | undefined; readonly want: string | number }[] = [
    { accept: undefined, want: 'ConfigMapList' },
    { accept: '', want: 'ConfigMapList' },
    { accept: '*/*', want: 'ConfigMapList' },
    { accept: 'application/*', want: 'ConfigMapList' },
    { accept: 'APPLICATION/JSON', want: 'ConfigMapList' },
    { accept: 'text/html,application/xhtml+xml,*/*;q=0.8', want: 'ConfigMapList' },
    { accept: `application/json;q=0.5,${TABLE}`, want: 'Table' },
    { accept: `${TABLE};q=0.1,application/json`, want: 'ConfigMapList' },
    { accept: 'text/html', want: 406 },
    { accept: 'application/xml;as=Table', want: 406 },
    { accept: 'application/json;as=Chart;v=v1;g=meta.k8s.io', want: 406 },
    { accept: ';;,,=', want: 406 },
    { accept: '__proto__', want: 406 },
  ]
  for (const { accept, want } of rows)
    test(`${accept} gives ${want}`, async () => {
      const { status, body } = await api.wire({
        path: CONFIG_MAPS_PATH,
        headers: accept === undefined ? {} : { accept },
      })
      if (typeof want === 'number') assert.deepEqual([status, body.reason], [want, 'NotAcceptable'])
      else assert.equal(body.kind, want)
    })
})

describe('errors', () => {
  test('are a Status with reason, code, message and details', async () => {
    const { status, body } = await as('*/*', `${CONFIG_MAPS_PATH}/none`)
    assert.equal(status, 404)
    assert.deepEqual(body, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'configmaps "none" not found',
      reason: 'NotFound',
      details: { name: 'none', group: '', kind: 'configmaps' },
      code: 404,
    })
  })

  test('name a kind in its group', async () => {
    const { body } = await as('*/*', '/apis/apps/v1/namespaces/default/deployments/none')
    assert.equal(body.message, 'deployments.apps "none" not found')
    const invalid = await api.wire({
      method: 'POST',
      path: '/apis/apps/v1/namespaces/default/deployments',
      body: { metadata: { name: 'x' }, spec: {} },
    })
    assert.match(invalid.body.message, /^Deployment\.apps "x" is invalid: /)
  })

  test('stay of bounded size, whatever is wrong', async () => {
    const labels = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`-${i}`, '!'.repeat(20)]))
    const many = await api.wire({ method: 'POST', path: CONFIG_MAPS_PATH, body: configMap('x', {}, { labels }) })
    assert.equal(many.status, 422)
    assert.equal(many.body.details.causes.length, 100)
    const huge = await api.wire({
      method: 'POST',
      path: CONFIG_MAPS_PATH,
      body: configMap('x', {}, { labels: { a: 'x'.repeat(2_000_000) } }),
    })
    assert.ok(huge.text.length < 10_000, String(huge.text.length))
    const unknown = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`${'u'.repeat(100)}${i}`, 1]))
    const strict = await api.wire({
      method: 'POST',
      path: `${CONFIG_MAPS_PATH}?fieldValidation=Strict`,
      body: { ...configMap('x'), ...unknown },
    })
    assert.ok(strict.text.length < 20_000, String(strict.text.length))
    const warned = await api.wire({
      method: 'POST',
      path: `${CONFIG_MAPS_PATH}?dryRun=All`,
      body: { ...configMap('x'), ...unknown },
    })
    assert.ok(warned.headers.warning!.length < 10_000)
  })

  test('of the server itself tell a number and nothing else, and the log has the rest', async () => {
    const own = await startTestServer({
      admission: [
        {
          name: 'broken',
          async admit() {
            throw new TypeError('secret detail')
          },
        },
      ],
    })
    // The namespace of the fixture has been refused already.
    const { status, text, body } = await own.wire({
      method: 'POST',
      path: '/api/v1/namespaces',
      body: { metadata: { name: 'x' } },
    })
    assert.deepEqual([status, body.reason], [500, 'InternalError'])
    assert.ok(!text.includes('secret detail'))
    const id = /\(([0-9a-f]{8})\)/.exec(body.message)?.[1]
    assert.ok(id)
    assert.ok(own.errors.some((line) => line.includes('secret detail')))
    await own.close()
  })
})

test('HEAD is answered like GET, whatever the form', async () => {
  const { status, headers } = await api.wire({ method: 'HEAD', path: `${CONFIG_MAPS_PATH}/a` })
  assert.deepEqual([status, headers['content-type']], [200, 'application/json'])
})
