import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { MetricSpec } from '../../../src/api/types/autoscaling-v2.gen.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import type { ApiRequest, Transport } from '../../../src/client/transport.ts'
import type { MetricReading } from '../../../src/controlplane/autoscaler/metric-reading.ts'
import { createMetricsClient } from '../../../src/controlplane/autoscaler/metrics-client.ts'
import { CPU_50 } from './objects.ts'

const TIME = '2026-01-10T12:00:00Z'
const SELECTOR = { matchLabels: { lane: 'a' }, matchExpressions: [{ key: 'old', operator: 'DoesNotExist' }] }
const PODS: MetricSpec = {
  type: 'Pods',
  pods: { metric: { name: 'in flight', selector: SELECTOR }, target: { type: 'AverageValue', averageValue: '1' } },
}
const objectMetric = (describedObject: {
  readonly apiVersion?: string
  readonly kind: string
  readonly name: string
}): MetricSpec => ({
  type: 'Object',
  object: { describedObject, metric: { name: 'hits' }, target: { type: 'Value', value: '1' } },
})
const EXTERNAL: MetricSpec = {
  type: 'External',
  external: { metric: { name: 'queue', selector: SELECTOR }, target: { type: 'Value', value: '1' } },
}
const container = (name: string): MetricSpec => ({
  type: 'ContainerResource',
  containerResource: { name: 'cpu', container: name, target: { type: 'Utilization', averageUtilization: 1 } },
})

function podUsage(name: string, containers: readonly object[], more: object = {}): object {
  return { metadata: { name, namespace: 'shop' }, timestamp: TIME, window: '1m0.5s', containers, ...more }
}

async function read(
  metric: MetricSpec,
  body: unknown,
  status = 200,
): Promise<{ readonly reading: MetricReading; readonly request: ApiRequest }> {
  let request: ApiRequest | undefined
  const transport: Transport = {
    async request(given) {
      request = given
      return { status, body }
    },
    watch: () => Promise.reject(new Error('nobody watches')),
    async close() {},
  }
  const client = createMetricsClient({ transport, clock: new VirtualClock(), signal: new AbortController().signal })
  const reading = await client.read(metric, 'shop', 'app=web,tier in (a,b)')
  return { reading, request: request! }
}

function samplesOf(reading: MetricReading): Readonly<Record<string, number>> {
  assert.equal(reading.kind, 'pods')
  return Object.fromEntries(
    [...(reading as Extract<MetricReading, { kind: 'pods' }>).samples].map(([name, { milli }]) => [name, milli]),
  )
}

describe('what is asked of the metrics APIs', () => {
  for (const { name, metric, path, query } of [
    {
      name: 'usage of pods',
      metric: CPU_50,
      path: '/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods',
      query: { labelSelector: 'app=web,tier in (a,b)' },
    },
    {
      name: 'a metric of pods',
      metric: PODS,
      path: '/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/in%20flight',
      query: { labelSelector: 'app=web,tier in (a,b)', metricLabelSelector: 'lane=a,!old' },
    },
    {
      name: 'a metric of a Service',
      metric: objectMetric({ apiVersion: 'v1', kind: 'Service', name: 'web' }),
      path: '/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/hits',
      query: {},
    },
    {
      name: 'a metric of a Deployment',
      metric: objectMetric({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }),
      path: '/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/deployments.apps/web/hits',
      query: {},
    },
    {
      name: 'a metric of a kind that is not served here',
      metric: objectMetric({ apiVersion: 'example.com/v1', kind: 'Proxy', name: 'web' }),
      path: '/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/proxies.example.com/web/hits',
      query: {},
    },
    {
      name: 'a metric of the namespace itself',
      metric: objectMetric({ apiVersion: 'v1', kind: 'Namespace', name: 'other' }),
      path: '/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/metrics/hits',
      query: {},
    },
    {
      name: 'a metric from outside',
      metric: EXTERNAL,
      path: '/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue',
      query: { labelSelector: 'lane=a,!old' },
    },
  ])
    test(name, async () => {
      const { request } = await read(metric, { items: [] })
      assert.deepEqual([request.method, request.path, request.query], ['GET', path, query])
    })
})

describe('what they answer', () => {
  const usage = (cpu: string): object => ({ cpu, memory: '1Mi' })
  const two = podUsage('a', [
    { name: 'main', usage: usage('250m') },
    { name: 'aside', usage: usage('123456n') },
  ])

  test('usage: the sum of all containers, with its time and window', async () => {
    const { reading } = await read(CPU_50, { items: [two, podUsage('b', [{ name: 'main', usage: usage('1') }])] })
    assert.deepEqual(samplesOf(reading), { a: 251, b: 1_000 })
    const { atMs, windowMs } = (reading as Extract<MetricReading, { kind: 'pods' }>).samples.get('a')!
    assert.equal(atMs, Date.parse(TIME))
    assert.equal(windowMs, 60_500)
  })

  test('usage of one container', async () => {
    assert.deepEqual(samplesOf((await read(container('aside'), { items: [two] })).reading), { a: 1 })
  })

  test('values of pods, over a minute unless they say otherwise', async () => {
    const item = {
      describedObject: { kind: 'Pod', name: 'a' },
      metric: { name: 'in flight' },
      timestamp: TIME,
      value: '3500m',
    }
    const { reading } = await read(PODS, {
      items: [item, { ...item, describedObject: { name: 'b' }, windowSeconds: 5 }],
    })
    assert.deepEqual(samplesOf(reading), { a: 3_500, b: 3_500 })
    const { samples } = reading as Extract<MetricReading, { kind: 'pods' }>
    assert.deepEqual([samples.get('a')?.windowMs, samples.get('b')?.windowMs], [60_000, 5_000])
  })

  test('a value of an object, and the sum of what is outside', async () => {
    const about = objectMetric({ kind: 'Service', name: 'web' })
    assert.deepEqual((await read(about, { items: [{ value: '12k' }] })).reading, { kind: 'total', milli: 12_000_000 })
    assert.deepEqual((await read(EXTERNAL, { items: [{ value: '1' }, { value: '500m' }] })).reading, {
      kind: 'total',
      milli: 1_500,
    })
  })

  test('a pod whose numbers make no sense is missing, and only it', async () => {
    const items = [
      two,
      podUsage('no-containers', []),
      podUsage('no-cpu', [{ name: 'main', usage: { memory: '1Mi' } }]),
      podUsage('half', [{ name: 'main', usage: usage('1') }, { name: 'aside' }]),
      podUsage('words', [{ name: 'main', usage: usage('much') }]),
      { metadata: {}, containers: [{ name: 'main', usage: usage('1') }] },
      null,
      7,
    ]
    assert.deepEqual(samplesOf((await read(CPU_50, { items })).reading), { a: 251 })
  })

  for (const { name, metric, body, status = 200, why } of [
    { name: 'no usage', metric: CPU_50, body: { items: [] }, why: 'no metrics returned from resource metrics API' },
    { name: 'no values', metric: PODS, body: {}, why: 'no metrics returned from custom metrics API' },
    { name: 'nothing outside', metric: EXTERNAL, body: null, why: 'no metrics returned from external metrics API' },
    {
      name: 'two values of one object',
      metric: objectMetric({ kind: 'Service', name: 'web' }),
      body: { items: [{ value: '1' }, { value: '1' }] },
      why: 'unable to fetch metrics from custom metrics API: the custom metrics API server returned 2 results when we asked for exactly one',
    },
    {
      name: 'a container that is not there',
      metric: container('other'),
      body: { items: [podUsage('a', [{ name: 'main', usage: { cpu: '1' } }])] },
      why: 'container other not present in metrics for pod shop/a',
    },
    {
      name: 'nobody serves the API',
      metric: EXTERNAL,
      body: { kind: 'Status', message: 'the server could not find the requested resource' },
      status: 404,
      why: 'unable to fetch metrics from external metrics API: the server could not find the requested resource (get queue.external.metrics.k8s.io)',
    },
    {
      name: 'whoever serves it is out of reach',
      metric: CPU_50,
      body: { kind: 'Status', message: 'error trying to reach service' },
      status: 503,
      why: 'unable to fetch metrics from resource metrics API: error trying to reach service',
    },
    {
      name: 'a sum with something in it that is no number',
      metric: EXTERNAL,
      body: { items: [{ value: '1' }, { value: {} }] },
      why: 'the external metrics API returned a value that is no quantity',
    },
  ])
    test(name, async () => {
      assert.deepEqual((await read(metric, body, status)).reading, { kind: 'failed', why })
    })

  test('whatever they answer, a reading comes of it', async () => {
    const metric = fc.constantFrom(
      CPU_50,
      container('main'),
      PODS,
      EXTERNAL,
      objectMetric({ kind: 'Service', name: 'a' }),
    )
    await fc.assert(
      fc.asyncProperty(metric, fc.oneof(fc.jsonValue(), fc.record({ items: fc.jsonValue() })), async (of, body) => {
        const { reading } = await read(of, body)
        assert.ok(['pods', 'total', 'failed'].includes(reading.kind))
      }),
    )
  })
})
