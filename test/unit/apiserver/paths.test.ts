import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { publishedResources } from '../../../src/api/schema/published-resources.ts'
import { startTestServer, type TestServer, type WireAnswer } from './server-fixture.ts'

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

let api: TestServer
let isReady = true
before(async () => {
  api = await startTestServer({ readiness: { addresses: () => isReady } })
})
after(async () => {
  await api.close()
  assert.deepEqual(api.errors, [])
})

const get = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<WireAnswer> =>
  api.wire({ path, headers })

describe('health', () => {
  const rows: readonly { readonly path: string; readonly status: number; readonly want: string | RegExp }[] = [
    { path: '/healthz', status: 200, want: 'ok' },
    { path: '/livez', status: 200, want: 'ok' },
    { path: '/readyz', status: 200, want: 'ok' },
    { path: '/readyz/', status: 200, want: 'ok' },
    { path: '/livez?verbose', status: 200, want: '[+]ping ok\nlivez check passed\n' },
    {
      path: '/readyz?verbose',
      status: 200,
      want: '[+]ping ok\n[+]watch-cache ok\n[+]addresses ok\nreadyz check passed\n',
    },
    { path: '/readyz?verbose&exclude=addresses', status: 200, want: /\[\+\]addresses excluded: ok\n/ },
    { path: '/readyz?verbose&exclude=x', status: 200, want: /cannot be excluded: no matches for "x"/ },
    { path: '/readyz/watch-cache', status: 200, want: 'ok' },
    { path: '/healthz/ping', status: 200, want: 'ok' },
  ]
  for (const { path, status, want } of rows)
    test(path, async () => {
      const answer = await get(path)
      assert.equal(answer.status, status)
      assert.match(answer.headers['content-type']!, /^text\/plain/)
      if (typeof want === 'string') assert.equal(answer.text, want)
      else assert.match(answer.text, want)
    })

  test('names what is not ready, and a server that is not ready lives all the same', async () => {
    isReady = false
    const { status, text } = await get('/readyz')
    assert.equal(status, 500)
    assert.equal(text, '[+]ping ok\n[+]watch-cache ok\n[-]addresses failed: reason withheld\nreadyz check failed\n')
    assert.equal((await get('/readyz/addresses')).status, 500)
    assert.equal((await get('/readyz?exclude=addresses')).status, 200)
    assert.equal((await get('/livez')).status, 200)
    isReady = true
  })

  for (const path of [
    '/readyz/none',
    '/readyz/__proto__',
    '/readyz/toString',
    '/livez/addresses',
    '/healthzz',
    '/readyz/../version',
  ])
    test(`${path} is 404`, async () => assert.equal((await get(path)).status, 404))
})

test('version is one that kubectl reads', async () => {
  const { body } = await get('/version')
  assert.deepEqual([body.major, body.minor, body.gitVersion], ['1', '36', 'v1.36.0+wherry'])
})

describe('discovery', () => {
  test('plain: versions, groups, resources', async () => {
    assert.deepEqual((await get('/api', { host: 'x:1' })).body, {
      kind: 'APIVersions',
      versions: ['v1'],
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: 'x:1' }],
    })
    const { body } = await get('/apis')
    assert.equal(body.kind, 'APIGroupList')
    const apps = body.groups.find(({ name }: { name: string }) => name === 'apps')
    assert.deepEqual(apps.preferredVersion, { groupVersion: 'apps/v1', version: 'v1' })
    assert.deepEqual((await get('/apis/apps')).body, { kind: 'APIGroup', apiVersion: 'v1', ...apps })
  })

  test('every resource is as Kubernetes publishes it', async () => {
    for (const path of [
      '/api/v1',
      ...(await get('/apis')).body.groups.map(
        (group: { preferredVersion: { groupVersion: string } }) => `/apis/${group.preferredVersion.groupVersion}`,
      ),
    ]) {
      const { body } = await get(path)
      assert.equal(body.kind, 'APIResourceList')
      for (const resource of body.resources) {
        const key = `${body.groupVersion}/${resource.name}`
        const published = publishedResources().get(key)
        assert.ok(published, key)
        assert.deepEqual([resource.kind, resource.namespaced], [published.kind, published.namespaced], key)
        // What OpenAPI calls connect, discovery tells by its methods.
        const verbs = published.verbs.includes('connect') ? ['create', 'get'] : published.verbs
        for (const verb of resource.verbs) assert.ok(verbs.includes(verb), `${key} ${verb}`)
      }
    }
  })

  test('short names, categories and singular names for kubectl', async () => {
    const { resources } = (await get('/api/v1')).body
    const pods = resources.find(({ name }: { name: string }) => name === 'pods')
    assert.deepEqual([pods.singularName, pods.shortNames, pods.categories], ['pod', ['po'], ['all']])
  })

  test('aggregated: everything in two answers, kept by its tag', async () => {
    for (const root of ['/api', '/apis']) {
      const { body, headers } = await get(root, { accept: `${AGGREGATED},application/json` })
      assert.deepEqual([body.kind, body.apiVersion], ['APIGroupDiscoveryList', 'apidiscovery.k8s.io/v2'])
      assert.equal(headers['content-type'], AGGREGATED)
      assert.equal(headers.vary, 'Accept')
      const known = await get(root, { accept: AGGREGATED, 'if-none-match': headers.etag! })
      assert.deepEqual([known.status, known.text], [304, ''])
      assert.equal((await get(root, { accept: AGGREGATED, 'if-none-match': '"other"' })).status, 200)
    }
    const { body } = await get('/api', { accept: AGGREGATED })
    const pods = body.items[0].versions[0].resources.find(({ resource }: { resource: string }) => resource === 'pods')
    assert.deepEqual([pods.scope, pods.responseKind.kind], ['Namespaced', 'Pod'])
    assert.ok(pods.subresources.some(({ subresource }: { subresource: string }) => subresource === 'eviction'))
  })

  test('the older aggregated form and the plain one, by what is asked', async () => {
    const v2beta1 = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList'
    assert.equal((await get('/apis', { accept: v2beta1 })).body.apiVersion, 'apidiscovery.k8s.io/v2beta1')
    assert.equal((await get('/apis', { accept: 'application/json' })).body.kind, 'APIGroupList')
  })

  for (const path of [
    '/apis/none',
    '/apis/apps/v2',
    '/api/v2',
    '/apis/apps/v1/none',
    '/apis/__proto__',
    '/nothing',
    '//api',
    '/api/../apis',
    '/API',
    '/api/v1/../v1',
    '/apis/apps/v1/namespaces/default/deployments/a/scale/b',
  ])
    test(`${path} is 404`, async () => {
      const { status, body } = await get(path)
      assert.deepEqual([status, body.reason], [404, 'NotFound'])
    })

  test('documents are only read', async () => {
    for (const path of ['/api', '/apis', '/version', '/openapi/v3', '/api/v1'])
      assert.equal((await api.wire({ method: 'POST', path, body: {} })).status, 405, path)
  })
})

describe('OpenAPI', () => {
  test('v3: an index with hashes, and a document for each group and version', async () => {
    const { paths } = (await get('/openapi/v3')).body
    assert.ok(paths['api/v1'] && paths['apis/apps/v1'])
    for (const { serverRelativeURL } of Object.values(paths) as { serverRelativeURL: string }[]) {
      const [path, hash] = serverRelativeURL.split('?hash=')
      const { status, body, headers } = await get(path!)
      assert.deepEqual([status, body.openapi, headers.etag], [200, '3.0.0', `"${hash}"`])
      const text = JSON.stringify(body)
      for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
        assert.ok(body.components.schemas[name!], `${path} refers to ${name}`)
    }
  })

  test('v3 tells kubectl that the server validates fields and tries runs', async () => {
    const { body } = await get('/openapi/v3/api/v1')
    const { patch } = body.paths['/api/v1/namespaces/{namespace}/pods/{name}']
    const names = patch.parameters.map(({ name }: { name: string }) => name)
    assert.ok(names.includes('fieldValidation') && names.includes('dryRun'))
    assert.deepEqual(patch['x-kubernetes-group-version-kind'], { group: '', kind: 'Pod', version: 'v1' })
  })

  test('v2: one document with the merge keys that apply needs', async () => {
    const { body, headers } = await get('/openapi/v2', { accept: 'application/json' })
    assert.equal(body.swagger, '2.0')
    const { containers } = body.definitions['io.k8s.api.core.v1.PodSpec'].properties
    assert.deepEqual(
      [containers['x-kubernetes-patch-merge-key'], containers['x-kubernetes-patch-strategy']],
      ['name', 'merge'],
    )
    assert.equal((await get('/openapi/v2', { accept: 'application/json', 'if-none-match': headers.etag! })).status, 304)
    assert.equal((await get('/openapi/v2', { accept: 'text/html' })).status, 406)
  })

  for (const path of ['/openapi/v3/api/v2', '/openapi/v3/apis/none/v1', '/openapi/v4', '/openapi'])
    test(`${path} is 404`, async () => assert.equal((await get(path)).status, 404))
})
