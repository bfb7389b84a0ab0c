import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantityToMilli } from '../../../src/api/quantity.ts'
import { PODS, SERVICES } from '../../../src/api/resource-type.ts'
import type { ScrapedSeries, ScrapedSummary } from '../../../src/api/scraped-series.ts'
import type { Service } from '../../../src/api/types/core-v1.gen.ts'
import { eventually } from '../../harness/eventually.ts'
import { httpEndpoint } from './mesh/mesh-fixture.ts'
import { type MetricsServer, startMetricsServer } from './metrics-server-fixture.ts'

const CUSTOM = '/apis/custom.metrics.k8s.io/v1beta2/namespaces/default'
const EXTERNAL = '/apis/external.metrics.k8s.io/v1beta1/namespaces/default'
const SCRAPED = { 'prometheus.io/scrape': 'true' }

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape
type Body = any

/** By pod's uid: its series at each look; looks are five seconds apart by the node's clock. */
type Telling = (look: number) => Readonly<Record<string, readonly ScrapedSeries[]>>

function gauge(value: number, labels: Readonly<Record<string, string>> = {}, name = 'queue_length'): ScrapedSeries {
  return { name, type: 'gauge', labels, value }
}

function counter(value: number, labels: Readonly<Record<string, string>> = {}): ScrapedSeries {
  return { name: 'jobs_total', type: 'counter', labels, value }
}

interface Node {
  readonly paths: string[]
  telling: Telling
}

/** The node answers as an agent would, for the names it is asked for alone. */
function node(server: MetricsServer): Node {
  const made: Node = { paths: [], telling: () => ({}) }
  server.node = async (_, path) => {
    made.paths.push(path)
    const wanted = new URL(path, 'http://node').searchParams.getAll('name')
    const told = Object.entries(made.telling(made.paths.length))
    const all = told.flatMap(([, series]) => series)
    const summary: ScrapedSummary = {
      names: all.map(({ name, type }) => ({ name, type })),
      pods: told.map(([uid, series]) => ({
        uid,
        atMs: made.paths.length * 5_000,
        series: series.filter(({ name }) => wanted.includes(name)),
      })),
    }
    return {
      status: 200,
      body: (async function* () {
        yield Buffer.from(JSON.stringify(summary))
      })(),
    }
  }
  return made
}

const values = (body: Body): Readonly<Record<string, number>> =>
  Object.fromEntries(body.items.map((item: Body) => [item.describedObject.name, quantityToMilli(item.value) / 1000]))

test('gauges are as they are, counters are rates as well', async (t) => {
  const server = await startMetricsServer(t)
  const told = node(server)
  const { metadata } = await server.addPod('a', { annotations: SCRAPED })
  told.telling = (look) => ({ [metadata!.uid!]: [gauge(7), counter(1_000 + 50 * look)] })
  const get = async (metric: string): Promise<Body> => (await server.get(`${CUSTOM}/pods/a/${metric}`)).body.items[0]
  const { windowSeconds, value } = await get('queue_length')
  assert.deepEqual([value, windowSeconds], ['7', undefined])
  assert.equal((await get('jobs_per_second')).value, '10')
  assert.ok((await get('jobs_per_second')).windowSeconds >= 5)
  assert.equal((await get('jobs_total_per_second')).value, '10')
  assert.ok(quantityToMilli((await get('jobs_total')).value) > 1_000_000)
  const missing = await server.get(`${CUSTOM}/pods/a/unheard_of`)
  assert.deepEqual(
    [missing.status, missing.body.message],
    [404, 'the server could not find the metric unheard_of for pods'],
  )
})

test('label sets and pods add up, and are chosen by labels', async (t) => {
  const server = await startMetricsServer(t)
  const told = node(server)
  const labels = { app: 'work' }
  const uids = [
    (await server.addPod('a', { annotations: SCRAPED, labels })).metadata!.uid!,
    (await server.addPod('b', { annotations: SCRAPED, labels: { ...labels, canary: 'yes' } })).metadata!.uid!,
  ]
  await server.create<Service>(SERVICES, {
    metadata: { name: 'work', namespace: 'default' },
    spec: { selector: labels, clusterIP: 'None', ports: [{ port: 80 }] },
  })
  told.telling = () => ({
    [uids[0]!]: [gauge(1, { lane: 'x' }), gauge(2, { lane: 'y' })],
    [uids[1]!]: [gauge(40, { lane: 'x' })],
  })
  const all = async (path: string): Promise<Body> => values((await server.get(`${CUSTOM}/${path}`)).body)
  assert.deepEqual(await all('pods/*/queue_length'), { a: 3, b: 40 })
  assert.deepEqual(await all('pods/*/queue_length?metricLabelSelector=lane%3Dx'), { a: 1, b: 40 })
  assert.deepEqual(await all('pods/*/queue_length?metricLabelSelector=lane%3Dy'), { a: 2 })
  assert.deepEqual(await all('pods/*/queue_length?labelSelector=canary'), { b: 40 })
  assert.deepEqual(await all('services/work/queue_length'), { work: 43 })
  assert.deepEqual(await all('metrics/queue_length'), { default: 43 })
})

test('external metrics carry the labels of series and pods, and no pod poses as another', async (t) => {
  const server = await startMetricsServer(t)
  const told = node(server)
  const { metadata } = await server.addPod('a', { annotations: SCRAPED, labels: { app: 'work' } })
  told.telling = () => ({ [metadata!.uid!]: [gauge(1, { lane: 'x', pod: 'other', app: 'bank' })] })
  const { body } = await server.get(`${EXTERNAL}/queue_length?labelSelector=app%3Dwork`)
  assert.deepEqual(
    body.items.map(({ metricLabels, value, window }: Body) => [metricLabels, value, window]),
    [[{ app: 'work', lane: 'x', pod: 'a' }, '1', undefined]],
  )
  assert.deepEqual((await server.get(`${EXTERNAL}/queue_length?labelSelector=app%3Dbank`)).body.items, [])
})

test('nobody is asked without an annotated pod that runs, and only for what is wanted', async (t) => {
  const server = await startMetricsServer(t)
  const told = node(server)
  await server.addPod('plain')
  assert.equal((await server.get(`${CUSTOM}/pods/*/queue_length`)).status, 404)
  assert.deepEqual(told.paths, [])
  const { metadata } = await server.addPod('a', { annotations: SCRAPED })
  told.telling = () => ({ [metadata!.uid!]: [gauge(1)] })
  await eventually(() => (told.paths.length > 0 ? true : undefined), 10_000, 'that the node is asked')
  await server.get(`${CUSTOM}/pods/*/queue_length`)
  for (const path of told.paths) assert.equal(path, '/stats/custom?name=queue_length')
})

test('a question is never too long, and holds nothing that cannot be a series', async (t) => {
  const server = await startMetricsServer(t)
  const told = node(server)
  const { metadata } = await server.addPod('a', { annotations: SCRAPED })
  told.telling = () => ({ [metadata!.uid!]: [gauge(1)] })
  const names = Array.from({ length: 120 }, (_, i) => `${'x'.repeat(150)}_${i}`)
  const odd = ['a b', 'ünder', '1st', 'y'.repeat(1_000), '*']
  await Promise.all([...names, ...odd].map((name) => server.get(`${CUSTOM}/pods/*/${encodeURIComponent(name)}`)))
  assert.equal((await server.get(`${CUSTOM}/pods/*/queue_length`)).status, 200)
  for (const path of told.paths) {
    assert.ok(path.length < 12_000, `${path.length} characters`)
    for (const name of new URL(path, 'http://node').searchParams.getAll('name')) assert.match(name, /^[\w:]{1,200}$/)
  }
})

test('a node is believed about the annotated pods that are bound to it and about no others', async (t) => {
  const server = await startMetricsServer(t)
  const told = node(server)
  const mine = await server.addPod('mine', { annotations: SCRAPED })
  const plain = await server.addPod('plain')
  told.telling = () => ({
    [mine.metadata!.uid!]: [gauge(1)],
    [plain.metadata!.uid!]: [gauge(2)],
    'no-such-pod': [gauge(3)],
  })
  assert.deepEqual(values((await server.get(`${CUSTOM}/pods/*/queue_length`)).body), { mine: 1 })
})

test('a node that answers garbage has no series; a pod that is gone is forgotten', async (t) => {
  const server = await startMetricsServer(t)
  const told = node(server)
  const { metadata } = await server.addPod('a', { annotations: SCRAPED })
  told.telling = () => ({ [metadata!.uid!]: [gauge(1)] })
  assert.equal((await server.get(`${CUSTOM}/pods/a/queue_length`)).status, 200)
  await server.api.client.delete(PODS, { namespace: 'default', name: 'a' }, { gracePeriodSeconds: 0 })
  assert.equal((await server.get(`${CUSTOM}/pods/a/queue_length`)).status, 404)
  const other = await startMetricsServer(t)
  await other.addPod('b', { annotations: SCRAPED })
  other.node = async () => ({
    status: 200,
    body: (async function* () {
      yield Buffer.from('<html>')
    })(),
  })
  assert.equal((await other.get(`${CUSTOM}/pods/b/queue_length`)).status, 404)
})

test('what was measured where it flows goes before what a pod tells', async (t) => {
  const server = await startMetricsServer(t)
  const told = node(server)
  const { metadata } = await server.addPod('a', { annotations: SCRAPED })
  told.telling = () => ({ [metadata!.uid!]: [gauge(1e6, {}, 'http_requests_per_second')] })
  server.endpoints = (at) => [httpEndpoint('a', 10 * at)]
  assert.equal((await server.get(`${CUSTOM}/pods/a/http_requests_per_second`)).body.items[0].value, '10')
})

test('discovery names the series that are known', async (t) => {
  const server = await startMetricsServer(t)
  const told = node(server)
  const { metadata } = await server.addPod('a', { annotations: SCRAPED })
  told.telling = () => ({ [metadata!.uid!]: [gauge(1), counter(1)] })
  await server.get(`${CUSTOM}/pods/a/queue_length`)
  const { resources } = (await server.get('/apis/custom.metrics.k8s.io/v1beta2')).body
  const names = resources.map(({ name }: Body) => name)
  for (const name of ['pods/queue_length', 'pods/jobs_total', 'pods/jobs_per_second', 'services/jobs_per_second'])
    assert.ok(names.includes(name), name)
})
