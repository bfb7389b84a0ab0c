import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantityToMilli } from '../../../src/api/quantity.ts'
import type { MetricSpec } from '../../../src/api/types/autoscaling-v2.gen.ts'
import { systemClock } from '../../../src/base/clock.ts'
import type { Attributes } from '../../../src/controlplane/apiserver/authorizer.ts'
import { createMetricsClient } from '../../../src/controlplane/autoscaler/metrics-client.ts'
import { httpEndpoint } from './mesh/mesh-fixture.ts'
import { addShop, type MetricsServer, startMetricsServer } from './metrics-server-fixture.ts'

const V1 = '/apis/custom.metrics.k8s.io/v1beta1'
const V2 = '/apis/custom.metrics.k8s.io/v1beta2'
const EXTERNAL = '/apis/external.metrics.k8s.io/v1beta1'
const RATE = 'http_requests_per_second'

/** 100 and 50 requests a second to the pods of the Deployment, 7 to the other one, 9 to one that there is not. */
async function shop(server: MetricsServer): Promise<void> {
  await addShop(server)
  server.endpoints = (at) => [
    httpEndpoint('web-1', 100 * at, { inFlight: 4 }),
    httpEndpoint('web-2', 50 * at, { inFlight: 2 }),
    httpEndpoint('lone', 7 * at),
    httpEndpoint('gone', 9 * at),
  ]
}

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape
type Body = any

const values = (body: Body): Readonly<Record<string, number>> =>
  Object.fromEntries(body.items.map((item: Body) => [item.describedObject.name, quantityToMilli(item.value) / 1000]))

test('a metric of a pod, in both versions', async (t) => {
  const server = await startMetricsServer(t)
  await shop(server)
  const { status, body } = await server.get(`${V2}/namespaces/default/pods/web-1/${RATE}`)
  assert.equal(status, 200)
  const { timestamp, windowSeconds, ...item } = body.items[0]
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60_000)
  assert.ok(windowSeconds >= 1 && windowSeconds <= 10)
  assert.deepEqual(
    { ...body, items: [item] },
    {
      kind: 'MetricValueList',
      apiVersion: 'custom.metrics.k8s.io/v1beta2',
      metadata: {},
      items: [
        {
          describedObject: { kind: 'Pod', namespace: 'default', name: 'web-1', apiVersion: 'v1' },
          metric: { name: RATE, selector: null },
          value: '100',
        },
      ],
    },
  )
  const old = (await server.get(`${V1}/namespaces/default/pods/web-1/${RATE}`)).body
  assert.equal(old.apiVersion, 'custom.metrics.k8s.io/v1beta1')
  assert.equal(old.items[0].metricName, RATE)
  assert.equal(old.items[0].selector, null)
  assert.equal(old.items[0].metric, undefined)
  assert.equal(old.items[0].value, '100')
})

for (const { path, want } of [
  { path: 'namespaces/default/pods/*/RATE', want: { 'web-1': 100, 'web-2': 50, lone: 7 } },
  { path: 'namespaces/default/pods/*/RATE?labelSelector=app%3Dweb', want: { 'web-1': 100, 'web-2': 50 } },
  { path: 'namespaces/default/pods/*/RATE?labelSelector=app+in+(web),!canary', want: { 'web-1': 100 } },
  { path: 'namespaces/default/pods/*/RATE?labelSelector=app%3Dnobody', want: {} },
  {
    path: 'namespaces/default/pods/*/RATE?metricLabelSelector=service%3Dweb,port%3Dhttp',
    want: { 'web-1': 100, 'web-2': 50, lone: 7 },
  },
  { path: 'namespaces/default/pods/*/RATE?metricLabelSelector=port%3Dadmin', want: {} },
  { path: 'namespaces/default/services/web/RATE', want: { web: 157 } },
  { path: 'namespaces/default/services/*/RATE?labelSelector=tier%3Dfront', want: { web: 157 } },
  { path: 'namespaces/default/deployments.apps/web/RATE', want: { web: 150 } },
  { path: 'namespaces/default/deployments/web/RATE', want: { web: 150 } },
  { path: 'namespaces/default/replicasets.apps/*/RATE', want: { 'web-6d4': 150 } },
  { path: 'namespaces/default/metrics/RATE', want: { default: 157 } },
  { path: 'namespaces/*/metrics/RATE', want: { default: 157 } },
  { path: 'nodes/n1/RATE', want: { n1: 157 } },
  { path: 'nodes/*/RATE', want: { n1: 157 } },
  { path: 'namespaces/other/pods/*/RATE', want: {} },
])
  test(`${path} is ${JSON.stringify(want)}`, async (t) => {
    const server = await startMetricsServer(t)
    await shop(server)
    const { status, body } = await server.get(`${V2}/${path.replace('RATE', RATE)}`)
    assert.equal(status, 200, body.message)
    assert.deepEqual(values(body), want)
  })

for (const { path, status, message } of [
  {
    path: 'namespaces/default/pods/web-1/unheard_of',
    status: 404,
    message: 'the server could not find the metric unheard_of for pods',
  },
  {
    path: 'namespaces/default/pods/*/unheard_of',
    status: 404,
    message: 'the server could not find the metric unheard_of for pods',
  },
  {
    path: `namespaces/default/pods/nobody/${RATE}`,
    status: 404,
    message: `the server could not find the metric ${RATE} for pods nobody`,
  },
  {
    path: `namespaces/default/pods/gone/${RATE}`,
    status: 404,
    message: `the server could not find the metric ${RATE} for pods gone`,
  },
  {
    path: `namespaces/default/services/web/${RATE}?metricLabelSelector=port%3Dadmin`,
    status: 404,
    message: `the server could not find the metric ${RATE} for services web with selector port=admin`,
  },
  {
    path: 'namespaces/default/services/web/http_success_rate?metricLabelSelector=%3D',
    status: 400,
    message: /^unable to parse requirement/,
  },
  {
    path: `namespaces/default/pods/*/${RATE}?labelSelector=%3D%3D`,
    status: 400,
    message: /^unable to parse requirement/,
  },
  {
    path: `namespaces/default/widgets/w/${RATE}`,
    status: 404,
    message: 'the server could not find the requested resource',
  },
  {
    path: `namespaces/default/nodes/n1/${RATE}`,
    status: 404,
    message: 'the server could not find the requested resource',
  },
  { path: `pods/web-1/${RATE}`, status: 404, message: 'the server could not find the requested resource' },
  { path: 'namespaces/default/pods', status: 404, message: 'the server could not find the requested resource' },
  { path: 'namespaces/default/pods/web-1', status: 404, message: 'the server could not find the requested resource' },
  {
    path: `namespaces/default/pods/web-1/${RATE}/more`,
    status: 404,
    message: 'the server could not find the requested resource',
  },
])
  test(`${path} is refused: ${status}`, async (t) => {
    const server = await startMetricsServer(t)
    await shop(server)
    const { status: got, body } = await server.get(`${V2}/${path}`)
    assert.equal(got, status, JSON.stringify(body))
    assert.equal(body.kind, 'Status')
    if (message instanceof RegExp) assert.match(body.message, message)
    else assert.equal(body.message, message)
  })

test('nothing can be written', async (t) => {
  const server = await startMetricsServer(t)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
    for (const path of [`${V2}/namespaces/default/pods/web-1/${RATE}`, `${EXTERNAL}/namespaces/default/${RATE}`]) {
      const headers = { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' }
      assert.equal((await server.api.wire({ method, path, body: {}, headers })).status, 405)
    }
})

test('external metrics are the Services of a namespace, chosen by labels', async (t) => {
  const server = await startMetricsServer(t)
  await shop(server)
  const { body } = await server.get(`${EXTERNAL}/namespaces/default/${RATE}?labelSelector=service%3Dweb`)
  const [{ timestamp, window, ...item }] = body.items
  assert.ok(Date.parse(timestamp) > 0 && window >= 1)
  assert.deepEqual(
    { ...body, items: [item] },
    {
      kind: 'ExternalMetricValueList',
      apiVersion: 'external.metrics.k8s.io/v1beta1',
      metadata: {},
      items: [{ metricName: RATE, metricLabels: { service: 'web', port: 'http' }, value: '166' }],
    },
  )
  assert.deepEqual(
    (await server.get(`${EXTERNAL}/namespaces/default/${RATE}?labelSelector=service%3Ddb`)).body.items,
    [],
  )
  assert.deepEqual((await server.get(`${EXTERNAL}/namespaces/other/${RATE}`)).body.items, [])
  assert.equal((await server.get(`${EXTERNAL}/namespaces/default/unheard_of`)).status, 404)
  assert.equal((await server.get(`${EXTERNAL}/${RATE}`)).status, 404)
})

test('discovery names groups, versions and metrics', async (t) => {
  const server = await startMetricsServer(t)
  const { groups } = (await server.get('/apis')).body
  const found = (name: string): Body => groups.find((group: Body) => group.name === name)
  assert.deepEqual(
    found('custom.metrics.k8s.io').versions.map(({ version }: Body) => version),
    ['v1beta2', 'v1beta1'],
  )
  assert.equal(found('external.metrics.k8s.io').preferredVersion.groupVersion, 'external.metrics.k8s.io/v1beta1')
  assert.equal((await server.get('/apis/custom.metrics.k8s.io')).body.kind, 'APIGroup')
  const { resources, groupVersion } = (await server.get(V1)).body
  assert.equal(groupVersion, 'custom.metrics.k8s.io/v1beta1')
  assert.deepEqual(
    resources.find(({ name }: Body) => name === `deployments.apps/${RATE}`),
    { name: `deployments.apps/${RATE}`, namespaced: true, singularName: '', kind: 'MetricValueList', verbs: ['get'] },
  )
  assert.equal(resources.find(({ name }: Body) => name === `nodes/${RATE}`).namespaced, false)
  const external = (await server.get(EXTERNAL)).body.resources
  assert.equal(external.find(({ name }: Body) => name === RATE).kind, 'ExternalMetricValueList')
  assert.equal((await server.get('/apis/custom.metrics.k8s.io/v9')).status, 404)
  assert.equal((await server.get(`/apis/custom.metrics.k8s.io/v9/namespaces/default/pods/*/${RATE}`)).status, 404)
})

test('aggregated discovery has metrics as subresources', async (t) => {
  const server = await startMetricsServer(t)
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
  const { items } = (await server.api.wire({ path: '/apis', headers: { accept } })).body
  const custom = items.find(({ metadata }: Body) => metadata.name === 'custom.metrics.k8s.io')
  const pods = custom.versions[0].resources.find(({ resource }: Body) => resource === 'pods')
  assert.deepEqual(pods.verbs, [])
  assert.equal(pods.scope, 'Namespaced')
  assert.ok(pods.subresources.some(({ subresource }: Body) => subresource === RATE))
  const external = items.find(({ metadata }: Body) => metadata.name === 'external.metrics.k8s.io')
  const rate = external.versions[0].resources.find(({ resource }: Body) => resource === RATE)
  assert.deepEqual(rate.verbs, ['get'])
  assert.equal(rate.responseKind.kind, 'ExternalMetricValueList')
})

test('who may read what is asked of the authorizer, as of any resource', async (t) => {
  const asked: Attributes['resource'][] = []
  let isAllowed = true
  const authorizer = {
    authorize({ resource }: Attributes) {
      if (!isAllowed) asked.push(resource)
      return { allowed: isAllowed, reason: '' }
    },
  }
  const server = await startMetricsServer(t, { authorizer })
  isAllowed = false
  const { status, body } = await server.get(`${V2}/namespaces/default/pods/*/${RATE}`)
  assert.equal(status, 403)
  assert.match(
    body.message,
    /cannot get resource "pods\/http_requests_per_second" in API group "custom.metrics.k8s.io" in the namespace "default"/,
  )
  assert.equal((await server.get(`${EXTERNAL}/namespaces/default/${RATE}`)).status, 403)
  assert.deepEqual(
    asked.map((resource) => [resource?.group, resource?.resource, resource?.subresource, resource?.namespace]),
    [
      ['custom.metrics.k8s.io', 'pods', RATE, 'default'],
      ['external.metrics.k8s.io', RATE, '', 'default'],
    ],
  )
})

test('autoscalers read them', async (t) => {
  const server = await startMetricsServer(t)
  await shop(server)
  const client = createMetricsClient({
    transport: server.api.transport,
    clock: systemClock,
    signal: new AbortController().signal,
  })
  const target = { type: 'Value', value: '1' } as const
  const metric = { name: RATE }
  const pods: MetricSpec = { type: 'Pods', pods: { metric, target } }
  const reading = await client.read(pods, 'default', 'app=web')
  assert.ok(reading.kind === 'pods')
  assert.deepEqual(Object.fromEntries([...reading.samples].map(([name, { milli }]) => [name, milli])), {
    'web-1': 100_000,
    'web-2': 50_000,
  })
  for (const [describedObject, milli] of [
    [{ apiVersion: 'v1', kind: 'Service', name: 'web' }, 157_000],
    [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, 150_000],
    [{ apiVersion: 'v1', kind: 'Namespace', name: 'default' }, 157_000],
  ] as const)
    assert.deepEqual(
      await client.read({ type: 'Object', object: { metric, describedObject, target } }, 'default', ''),
      { kind: 'total', milli },
    )
  const external: MetricSpec = {
    type: 'External',
    external: { metric: { ...metric, selector: { matchLabels: { service: 'web' } } }, target },
  }
  assert.deepEqual(await client.read(external, 'default', ''), { kind: 'total', milli: 166_000 })
  assert.deepEqual(
    await client.read({ type: 'Pods', pods: { metric: { name: 'unheard_of' }, target } }, 'default', 'app=web'),
    {
      kind: 'failed',
      why: 'unable to fetch metrics from custom metrics API: the server could not find the metric unheard_of for pods',
    },
  )
})
