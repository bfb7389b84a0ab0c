import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { NODES, PODS } from '../../../src/api/resource-type.ts'
import { StatusError } from '../../../src/api/status-error.ts'
import type { Node, Pod } from '../../../src/api/types/core-v1.gen.ts'
import { type Clock, systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMetricsApi } from '../../../src/controlplane/metrics-api/metrics-api.ts'
import { startTestServer, type TestServer } from '../apiserver/server-fixture.ts'
import { summary } from './summary-fixture.ts'

const GROUP = '/apis/metrics.k8s.io/v1beta1'
/** What is waited for comes at once. */
const impatient: Clock = { ...systemClock, setTimer: (ms, run) => systemClock.setTimer(Math.min(ms, 20), run) }

interface Measured {
  readonly api: TestServer
  /** Node → what each of its answers tells of pods, by uid. */
  readonly told: Map<string, Parameters<typeof summary>[1]>
  addPod(name: string, node: string, labels?: Readonly<Record<string, string>>, namespace?: string): Promise<string>
  // Answers of every shape.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<any>
}

/** A real API server with pods on two nodes, whose answers say one core and 64 Mi for each container they are told of. */
async function measured(t: TestContext): Promise<Measured> {
  const told: Measured['told'] = new Map()
  let looks = 0
  const cached = { pods: [] as Pod[], nodes: [] as Node[] }
  const metrics = createMetricsApi({
    objects: {
      node: (name) => cached.nodes.find(({ metadata }) => metadata?.name === name),
      nodes: () => cached.nodes,
      pod: (namespace, name) =>
        cached.pods.find(({ metadata }) => metadata?.namespace === namespace && metadata.name === name),
      pods: (namespace) => cached.pods.filter(({ metadata }) => namespace === '' || metadata?.namespace === namespace),
    },
    async source(node) {
      looks += 1
      const name = node.metadata!.name!
      if (name === 'silent') throw new StatusError('InternalError', 'connection refused')
      const atMs = looks * 1_500
      const pods = Object.entries(told.get(name) ?? {}).map(([uid, containers]) => [
        uid,
        Object.fromEntries(Object.keys(containers).map((container) => [container, [atMs * 1e6, 64 * 1024 * 1024]])),
      ])
      const text = summary(atMs, Object.fromEntries(pods), [2 * atMs * 1e6, 2 ** 30])
      return {
        status: 200,
        body: (async function* () {
          yield Buffer.from(text)
        })(),
      }
    },
    cluster: { find: () => undefined, list: () => [] },
    meshSource: () => Promise.reject(new Error('there are no proxies')),
    clock: impatient,
    logger: silentLogger,
  })
  const api = await startTestServer({ virtual: metrics.resources })
  t.after(async () => {
    metrics.close()
    await api.close()
  })
  await api.transport.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'other' } } })
  for (const name of ['n1', 'silent'])
    cached.nodes.push(await api.client.create(NODES, { metadata: { name, labels: { zone: name } } }))
  return {
    api,
    told,
    async addPod(name, node, labels = {}, namespace = 'default') {
      const pod = await api.client.create<Pod>(PODS, {
        metadata: { name, namespace, labels },
        spec: {
          nodeName: node,
          containers: [
            { name: 'main', image: 'x' },
            { name: 'side', image: 'x' },
          ],
        },
      })
      cached.pods.push(await api.client.updateStatus<Pod>(PODS, { ...pod, status: { phase: 'Running' } }))
      return pod.metadata!.uid!
    },
    async get(path, headers = {}) {
      const { status, body } = await api.wire({ path: `${GROUP}${path}`, headers })
      return status === 200 ? body : { status, message: body.message }
    },
  }
}

const POINTS = { main: [0, 0], side: [0, 0] } as const

test('usage of pods and nodes, alone and as lists', async (t) => {
  const m = await measured(t)
  const uid = await m.addPod('web', 'n1', { app: 'web' })
  m.told.set('n1', { [uid]: POINTS })
  const pod = await m.get('/namespaces/default/pods/web')
  const { creationTimestamp, ...metadata } = pod.metadata
  assert.ok(Date.parse(creationTimestamp) > 0)
  assert.deepEqual(
    { ...pod, metadata, timestamp: '' },
    {
      kind: 'PodMetrics',
      apiVersion: 'metrics.k8s.io/v1beta1',
      metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
      timestamp: '',
      window: pod.window,
      containers: [
        { name: 'main', usage: { cpu: '1', memory: '64Mi' } },
        { name: 'side', usage: { cpu: '1', memory: '64Mi' } },
      ],
    },
  )
  assert.match(pod.window, /^[\d.]+s$/)
  const list = await m.get('/namespaces/default/pods')
  assert.equal(list.kind, 'PodMetricsList')
  assert.equal(list.apiVersion, 'metrics.k8s.io/v1beta1')
  assert.deepEqual(list.metadata, {})
  assert.equal(list.items.length, 1)
  const node = await m.get('/nodes/n1')
  assert.equal(node.kind, 'NodeMetrics')
  assert.deepEqual(node.usage, { cpu: '2', memory: '1Gi' })
  assert.deepEqual(
    (await m.get('/nodes')).items.map((item: Node) => item.metadata?.name),
    ['n1'],
    'a node that says nothing is left out',
  )
})

test('what has no sample is not found, in the words of metrics-server', async (t) => {
  const m = await measured(t)
  await m.addPod('unmeasured', 'n1')
  assert.deepEqual(await m.get('/namespaces/default/pods/none'), {
    status: 404,
    message: 'pods.metrics.k8s.io "none" not found',
  })
  assert.equal((await m.get('/namespaces/default/pods/unmeasured')).status, 404)
  assert.equal((await m.get('/nodes/silent')).status, 404)
  assert.equal((await m.get('/nodes/none')).status, 404)
  assert.deepEqual((await m.get('/pods')).items, [])
})

test('a node is believed about its own pods only', async (t) => {
  const m = await measured(t)
  const uid = await m.addPod('victim', 'silent')
  m.told.set('n1', { [uid]: POINTS, 'no-such-pod': POINTS })
  assert.equal((await m.get('/namespaces/default/pods/victim')).status, 404)
  assert.deepEqual((await m.get('/pods')).items, [])
})

test('containers that the pod does not have are not told of', async (t) => {
  const m = await measured(t)
  const uid = await m.addPod('web', 'n1')
  m.told.set('n1', { [uid]: { main: [0, 0], intruder: [0, 0] } })
  const { containers } = await m.get('/namespaces/default/pods/web')
  assert.deepEqual(
    containers.map(({ name }: { name: string }) => name),
    ['main'],
  )
})

test('namespaces, labels and fields select', async (t) => {
  const m = await measured(t)
  const uids = [
    await m.addPod('a', 'n1', { app: 'web' }),
    await m.addPod('b', 'n1', { app: 'db' }),
    await m.addPod('c', 'n1', { app: 'web' }, 'other'),
  ]
  m.told.set('n1', Object.fromEntries(uids.map((uid) => [uid, POINTS])))
  const names = async (path: string): Promise<readonly string[]> =>
    (await m.get(path)).items.map((item: Pod) => item.metadata?.name)
  assert.deepEqual(await names('/pods'), ['a', 'b', 'c'])
  assert.deepEqual(await names('/namespaces/default/pods'), ['a', 'b'])
  assert.deepEqual(await names('/pods?labelSelector=app%3Dweb'), ['a', 'c'])
  assert.deepEqual(await names('/namespaces/default/pods?labelSelector=app+in+(db)'), ['b'])
  assert.deepEqual(await names('/pods?fieldSelector=metadata.name%3Db'), ['b'])
  assert.deepEqual(await names('/nodes?labelSelector=zone%3Dn1'), ['n1'])
  assert.deepEqual(await names('/nodes?labelSelector=zone%21%3Dn1'), [])
  assert.equal((await m.get('/pods?labelSelector=%3D%3D')).status, 400)
  assert.equal((await m.get('/pods?fieldSelector=spec.x%3D1')).status, 400)
})

test('nothing can be written, watched or reached below', async (t) => {
  const m = await measured(t)
  const uid = await m.addPod('web', 'n1')
  m.told.set('n1', { [uid]: POINTS })
  const path = `${GROUP}/namespaces/default/pods`
  const status = async (method: string, at: string): Promise<number> =>
    (
      await m.api.wire({
        method,
        path: at,
        body: { kind: 'PodMetrics' },
        headers: { 'content-type': 'application/json' },
      })
    ).status
  assert.equal(await status('POST', path), 405)
  assert.equal(await status('PUT', `${path}/web`), 405)
  assert.equal(await status('DELETE', `${path}/web`), 405)
  assert.equal(await status('DELETE', path), 405)
  assert.equal(await status('GET', `${path}?watch=true`), 405)
  assert.equal(await status('GET', `${path}/web/status`), 404)
  assert.equal(await status('GET', `${GROUP}/namespaces/default/nodes/n1`), 404)
  assert.equal(await status('GET', `${GROUP}/pods/web`), 404)
})

test('tables, metadata alone, and JSON for who would rather have protobuf', async (t) => {
  const m = await measured(t)
  const uid = await m.addPod('web', 'n1')
  m.told.set('n1', { [uid]: POINTS })
  const path = '/namespaces/default/pods'
  const table = await m.get(path, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' })
  assert.deepEqual(
    table.columnDefinitions.map(({ name }: { name: string }) => name),
    ['Name', 'cpu', 'memory', 'Window'],
  )
  assert.deepEqual(table.rows[0].cells.slice(0, 3), ['web', '2', '128Mi'])
  const metadata = await m.get(path, { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' })
  assert.equal(metadata.items[0].metadata.name, 'web')
  const proto = await m.get(path, { accept: 'application/vnd.kubernetes.protobuf,application/json' })
  assert.equal(proto.kind, 'PodMetricsList')
})

test('discovery and OpenAPI show it, plain and aggregated', async (t) => {
  const m = await measured(t)
  const resources = (await m.api.wire({ path: GROUP })).body.resources
  assert.deepEqual(resources, [
    { name: 'nodes', singularName: '', namespaced: false, kind: 'NodeMetrics', verbs: ['get', 'list'] },
    { name: 'pods', singularName: '', namespaced: true, kind: 'PodMetrics', verbs: ['get', 'list'] },
  ])
  const groups = (await m.api.wire({ path: '/apis' })).body.groups
  assert.ok(groups.some(({ name }: { name: string }) => name === 'metrics.k8s.io'))
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
  const { items } = (await m.api.wire({ path: '/apis', headers: { accept } })).body
  const group = items.find(({ metadata }: { metadata: { name: string } }) => metadata.name === 'metrics.k8s.io')
  assert.deepEqual(
    group.versions[0].resources.map(({ resource }: { resource: string }) => resource),
    ['nodes', 'pods'],
  )
  const document = (await m.api.wire({ path: '/openapi/v3/apis/metrics.k8s.io/v1beta1' })).body
  const { schemas } = document.components
  for (const [, reference] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g))
    assert.ok(Object.hasOwn(schemas, reference!), reference)
})
