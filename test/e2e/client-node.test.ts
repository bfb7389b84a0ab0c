// The official JavaScript client, unmodified, against the API server behind its real listener in this process.
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import type * as k8s from '@kubernetes/client-node'
import { kubeconfigText } from '../../src/controlplane/apiserver/edge/kubeconfig.ts'
import { eventually } from '../harness/eventually.ts'
import { startTestFront, type TestFront } from '../unit/apiserver/front-fixture.ts'
import { configMap } from '../unit/apiserver/server-fixture.ts'
import { startTcpRelay, type TcpRelay } from '../unit/client/tcp-relay.ts'

const PATH = '/api/v1/namespaces/default/configmaps'

let server: TestFront
let relay: TcpRelay
let lib: typeof k8s
let config: k8s.KubeConfig
let core: k8s.CoreV1Api

before(async () => {
  lib = await import('@kubernetes/client-node')
  server = await startTestFront()
  relay = await startTcpRelay(server.front.port)
  config = new lib.KubeConfig()
  config.loadFromString(
    kubeconfigText({
      server: `https://127.0.0.1:${relay.port}`,
      caPem: server.pki.caPem,
      certPem: server.pki.admin.cert,
      keyPem: server.pki.admin.key,
      context: 'test',
    }),
  )
  core = config.makeApiClient(lib.CoreV1Api)
})
after(async () => {
  await relay.close()
  await server.close()
  assert.deepEqual(server.api.errors, [])
})

/** As another client would: not through the wire that is cut. */
const write = (method: string, name: string, data: Readonly<Record<string, string>> = {}): Promise<unknown> =>
  server.api.wire({
    method,
    path: method === 'POST' ? PATH : `${PATH}/${name}`,
    body: configMap(name, data, { labels: { test: 'informer' } }),
  })

describe('typed calls', () => {
  test('create, read, replace, patch, list and delete', async () => {
    const made = await core.createNamespacedConfigMap({
      namespace: 'default',
      body: { metadata: { name: 'typed' }, data: { a: '1' } },
    })
    assert.ok(made.metadata?.uid && made.metadata.creationTimestamp instanceof Date)
    const read = await core.readNamespacedConfigMap({ namespace: 'default', name: 'typed' })
    assert.deepEqual(read, made)
    const replaced = await core.replaceNamespacedConfigMap({
      namespace: 'default',
      name: 'typed',
      body: { ...read, data: { a: '2' } },
    })
    assert.deepEqual(replaced.data, { a: '2' })
    const patched = await core.patchNamespacedConfigMap(
      { namespace: 'default', name: 'typed', body: { data: { b: '3' } } },
      lib.setHeaderOptions('content-type', lib.PatchStrategy.StrategicMergePatch),
    )
    assert.deepEqual(patched.data, { a: '2', b: '3' })
    const listed = await core.listNamespacedConfigMap({
      namespace: 'default',
      fieldSelector: 'metadata.name=typed',
      limit: 1,
    })
    assert.equal(listed.items.length, 1)
    const deleted = await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'typed' })
    assert.equal(deleted.status, 'Success')
  })

  test('errors come with code and Status', async () => {
    await assert.rejects(
      core.readNamespacedConfigMap({ namespace: 'default', name: 'none' }),
      (error: k8s.ApiException<string>) => {
        assert.equal(error.code, 404)
        assert.equal(JSON.parse(error.body).reason, 'NotFound')
        return true
      },
    )
    await assert.rejects(
      core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'Not-A-Name' } } }),
      (error: k8s.ApiException<string>) => error.code === 422,
    )
    await assert.rejects(
      core.patchNamespacedConfigMap(
        { namespace: 'default', name: 'x', body: {}, fieldManager: 'me' },
        lib.setHeaderOptions('content-type', lib.PatchStrategy.ServerSideApply),
      ),
      (error: k8s.ApiException<string>) =>
        error.code === 415 && JSON.parse(error.body).reason === 'UnsupportedMediaType',
    )
  })

  test('pages follow each other', async () => {
    for (let i = 0; i < 5; i++) await write('POST', `page-${i}`)
    const names: string[] = []
    let next: string | undefined
    do {
      const page: k8s.V1ConfigMapList = await core.listNamespacedConfigMap({
        namespace: 'default',
        limit: 2,
        labelSelector: 'test=informer',
        ...(next === undefined ? {} : { _continue: next }),
      })
      names.push(...page.items.map(({ metadata }) => metadata!.name!))
      next = page.metadata?._continue
    } while (next)
    assert.deepEqual(names, ['page-0', 'page-1', 'page-2', 'page-3', 'page-4'])
    await core.deleteCollectionNamespacedConfigMap({ namespace: 'default', labelSelector: 'test=informer' })
  })

  test('any kind by its own words: discovery, generic objects, version', async () => {
    const objects = lib.KubernetesObjectApi.makeApiClient(config)
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'a' }] } }
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'generic', namespace: 'default' },
      spec: { selector: { matchLabels: { a: 'b' } }, template },
    }
    const made: k8s.KubernetesObject = await objects.create(deployment)
    assert.equal(made.metadata?.name, 'generic')
    assert.equal(
      (await objects.read({ ...deployment, metadata: deployment.metadata })).metadata?.uid,
      made.metadata?.uid,
    )
    await objects.delete(deployment)
    assert.equal((await config.makeApiClient(lib.VersionApi).getCode()).gitVersion, 'v1.36.0+wherry')
    const groups = await config.makeApiClient(lib.ApisApi).getAPIVersions()
    assert.ok(groups.groups.some(({ name }) => name === 'apps'))
  })

  test('of who it is, and what it may', async () => {
    const authorization = config.makeApiClient(lib.AuthorizationV1Api)
    const review = await authorization.createSelfSubjectAccessReview({
      body: { spec: { resourceAttributes: { verb: 'delete', resource: 'nodes' } } },
    })
    assert.equal(review.status?.allowed, true)
    const who = await config.makeApiClient(lib.AuthenticationV1Api).createSelfSubjectReview({ body: {} })
    assert.equal(who.status?.userInfo?.username, 'wherry-admin')
  })
})

/** Starts it again after an error, as its documentation says to, until the test is over. */
function keepGoing(t: TestContext, informer: k8s.Informer<k8s.V1ConfigMap>): void {
  let over = false
  informer.on('error', () => {
    setTimeout(() => {
      if (!over) void informer.start()
    }, 10)
  })
  t.after(() => {
    over = true
    return informer.stop()
  })
}

describe('informers', () => {
  test('see what there is, every change, and go on where they were when the wire breaks', async (t) => {
    await write('POST', 'before')
    const informer = lib.makeInformer(
      config,
      PATH,
      () => core.listNamespacedConfigMap({ namespace: 'default', labelSelector: 'test=informer' }),
      'test=informer',
    )
    const seen: string[] = []
    for (const verb of ['add', 'update', 'delete'] as const)
      informer.on(verb, ({ metadata, data }: k8s.V1ConfigMap) =>
        seen.push(`${verb} ${metadata!.name} ${data?.x ?? ''}`.trim()),
      )
    keepGoing(t, informer)
    await informer.start()
    await eventually(() => seen.includes('add before') || undefined)
    await write('POST', 'one')
    await eventually(() => seen.includes('add one') || undefined)
    await write('PUT', 'one', { x: '1' })
    await write('DELETE', 'before')
    await eventually(() => (seen.includes('update one 1') && seen.includes('delete before')) || undefined)

    relay.cut()
    await write('POST', 'during')
    await write('PUT', 'one', { x: '2' })
    await eventually(() => (seen.includes('add during') && seen.includes('update one 2')) || undefined)
    assert.deepEqual(
      informer
        .list()
        .map(({ metadata }) => metadata!.name)
        .sort(),
      ['during', 'one'],
    )
    assert.equal(seen.filter((what) => what === 'add one').length, 1)
    await core.deleteCollectionNamespacedConfigMap({ namespace: 'default', labelSelector: 'test=informer' })
    await eventually(() => informer.list().length === 0 || undefined)
  })

  test('list again when the past they ask for is forgotten', async (t) => {
    let lists = 0
    const informer = lib.makeInformer(config, PATH, () => {
      lists += 1
      return core.listNamespacedConfigMap({ namespace: 'default' })
    })
    keepGoing(t, informer)
    await informer.start()
    // A change elsewhere moves the version on, and then more changes than are remembered.
    relay.target = 1
    relay.cut()
    for (let i = 0; i < 5_200; i++) await write(i === 0 ? 'POST' : 'PUT', 'busy', { x: String(i) })
    relay.target = server.front.port
    await eventually(() => informer.get('busy', 'default')?.data?.x === '5199' || undefined)
    assert.ok(lists >= 2)
    await write('DELETE', 'busy')
    await eventually(() => informer.list().length === 0 || undefined)
  })

  test('ten at once each see all of it', async (t) => {
    const informers = Array.from({ length: 10 }, () =>
      lib.makeInformer(config, PATH, () => core.listNamespacedConfigMap({ namespace: 'default' })),
    )
    t.after(() => Promise.all(informers.map((informer) => informer.stop())))
    await Promise.all(informers.map((informer) => informer.start()))
    for (let i = 0; i < 50; i++) await write('POST', `many-${i}`)
    for (const informer of informers) await eventually(() => informer.list().length === 50 || undefined)
  })
})

test('a watch tells of bookmarks and ends with its time', async () => {
  const watch = new lib.Watch(config)
  const types: string[] = []
  const ended = new Promise<unknown>((resolve, reject) => {
    watch
      .watch(
        PATH,
        { allowWatchBookmarks: true, timeoutSeconds: 1, resourceVersion: '0', fieldSelector: 'metadata.name=none' },
        (type) => types.push(type),
        resolve,
      )
      .catch(reject)
  })
  await ended
  assert.deepEqual(types, ['BOOKMARK'])
})

test('a bearer token is as good as a certificate', async () => {
  server.bindings.accounts.set('default/robot', 'u1')
  const { token } = await server.tokens.issue({ namespace: 'default', name: 'robot', uid: 'u1' }, [], 600)
  const own = new lib.KubeConfig()
  own.loadFromClusterAndUser(
    { name: 'c', server: server.url, caData: Buffer.from(server.pki.caPem).toString('base64'), skipTLSVerify: false },
    { name: 'robot', token },
  )
  const who = await own.makeApiClient(lib.AuthenticationV1Api).createSelfSubjectReview({ body: {} })
  assert.equal(who.status?.userInfo?.username, 'system:serviceaccount:default:robot')
  await assert.rejects(
    own.makeApiClient(lib.CoreV1Api).listNamespacedSecret({ namespace: 'default' }),
    (error: k8s.ApiException<string>) => error.code === 403,
  )
})
