import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MeshEndpoint, MeshSummary } from '../../../../src/api/mesh-summary.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import { VirtualClock } from '../../../../src/base/virtual-clock.ts'
import { MeshCollector } from '../../../../src/controlplane/metrics-api/mesh/mesh-collector.ts'
import { MeshMetrics } from '../../../../src/controlplane/metrics-api/mesh/mesh-metrics.ts'
import { httpEndpoint, meshSummary, requests } from './mesh-fixture.ts'

/** What a proxy says when it is asked at a time, in seconds since the world began. */
type Proxy = (atSeconds: number) => MeshSummary | 'silent' | 'broken'

interface World {
  readonly metrics: MeshMetrics
  readonly collector: MeshCollector
  readonly proxies: Map<string, Proxy>
  readonly warnings: string[]
  asked: number
  /** Lets time pass and everything that is under way come to an end. */
  seconds(count: number): Promise<void>
  /** Asks as an autoscaler would. */
  ready(): Promise<void>
  value(metric: string, of?: { readonly pod?: string; readonly service?: string }): number | undefined
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await turn()
}

function world(proxies: Readonly<Record<string, Proxy>>): World {
  const clock = new VirtualClock()
  const beganMs = clock.monotonic()
  const warnings: string[] = []
  const all = new Map(Object.entries(proxies))
  const collector = new MeshCollector({
    proxies: () => [...all.keys()].map((name) => ({ name, address: '127.64.0.1', port: 1 })),
    async source({ name }) {
      made.asked += 1
      const answer = all.get(name)!((clock.monotonic() - beganMs) / 1000)
      if (answer === 'silent') throw new Error('connection refused')
      const text = answer === 'broken' ? '<html>' : JSON.stringify(answer)
      return {
        status: 200,
        body: (async function* () {
          yield Buffer.from(text)
        })(),
      }
    },
    clock,
    logger: { ...silentLogger, warn: (fields) => void warnings.push((fields as { proxy: string }).proxy) },
  })
  const metrics = new MeshMetrics(collector)
  const made: World = {
    metrics,
    collector,
    proxies: all,
    warnings,
    asked: 0,
    async seconds(count) {
      for (let i = 0; i < count * 10; i++) {
        await clock.advance(100)
        await turns()
      }
    },
    async ready() {
      let isReady = false
      const ready = collector.ready().then(() => {
        isReady = true
      })
      for (let i = 0; i < 100 && !isReady; i++) {
        await turns()
        if (!isReady) await clock.advance(100)
      }
      await ready
    },
    value(metric, { pod, service } = {}) {
      const parts = [...metrics.parts(metric, 'default')].filter(
        (part) => (pod === undefined || part.pod === pod) && (service === undefined || part.service === service),
      )
      return metrics.figure(metric, parts)?.value
    },
  }
  return made
}

/** A proxy through which so many requests a second go to each pod, as if for ever. */
const steady =
  (perSecond: Readonly<Record<string, number>>, more: Partial<MeshEndpoint> = {}): Proxy =>
  (at) =>
    meshSummary(
      at * 1000,
      Object.entries(perSecond).map(([pod, rate]) => httpEndpoint(pod, 1_000_000 + Math.round(rate * at), more)),
    )

const near = (value: number | undefined, want: number, by = 0.05): void =>
  assert.ok(value !== undefined && Math.abs(value - want) <= want * by, `${value} instead of ${want}`)

test('nobody is asked before somebody wants to know, and a minute after the last question', async (t) => {
  const w = world({ p: steady({ a: 10 }) })
  t.after(() => w.collector.close())
  await w.seconds(30)
  assert.equal(w.asked, 0)
  await w.ready()
  assert.equal(w.asked, 2, 'a rate needs two samples')
  near(w.value('http_requests_per_second'), 10)
  await w.seconds(10)
  assert.ok(w.asked >= 11 && w.asked <= 13, String(w.asked))
  await w.seconds(120)
  const rested = w.asked
  assert.ok(rested <= 66)
  await w.seconds(60)
  assert.equal(w.asked, rested)
  assert.equal(w.value('http_requests_per_second'), undefined)
})

test('requests per second of a pod and of a Service, through several proxies', async (t) => {
  const w = world({ p: steady({ a: 100, b: 50 }), q: steady({ a: 30 }) })
  t.after(() => w.collector.close())
  await w.ready()
  await w.seconds(5)
  near(w.value('http_requests_per_second', { pod: 'a' }), 130)
  near(w.value('http_requests_per_second', { pod: 'b' }), 50)
  near(w.value('http_requests_per_second', { service: 'web' }), 180)
})

test('a step in the load shows within two seconds where much goes on', async (t) => {
  const w = world({
    p: (at) => meshSummary(at * 1000, [httpEndpoint('a', at < 20 ? 10 * at : 200 + 2_000 * (at - 20))]),
  })
  t.after(() => w.collector.close())
  await w.ready()
  await w.seconds(15)
  near(w.value('http_requests_per_second'), 10)
  await w.collector.ready()
  await w.seconds(7)
  near(w.value('http_requests_per_second'), 2_000, 0.4)
  await w.seconds(3)
  near(w.value('http_requests_per_second'), 2_000)
})

test('where little goes on, a rate is taken over ten seconds', async (t) => {
  // One request every four seconds: two-second windows would say nothing or twice as much.
  const w = world({ p: (at) => meshSummary(at * 1000, [httpEndpoint('a', Math.floor(at / 4))]) })
  t.after(() => w.collector.close())
  await w.ready()
  await w.seconds(15)
  for (let i = 0; i < 20; i++) {
    const value = w.value('http_requests_per_second')!
    assert.ok(value >= 0.15 && value <= 0.35, String(value))
    await w.seconds(1)
  }
})

test('a proxy that was started anew tells no rate over its restart', async (t) => {
  let startedAt = 0
  const w = world({
    p: (at) =>
      meshSummary((at - startedAt) * 1000 + 1, [httpEndpoint('a', Math.round(1_000 * (at - startedAt)))], {
        startedAtMs: startedAt,
      }),
  })
  t.after(() => w.collector.close())
  await w.ready()
  await w.seconds(12)
  startedAt = 13.55
  for (let i = 0; i < 60; i++) {
    await w.seconds(0.1)
    const value = w.value('http_requests_per_second')
    assert.ok(value === undefined || Math.abs(value - 1_000) < 60, String(value))
  }
  near(w.value('http_requests_per_second'), 1_000)
})

test('counters that went back without a restart begin anew, for their endpoint alone', async (t) => {
  const w = world({
    p: (at) =>
      meshSummary(at * 1000, [
        httpEndpoint('a', Math.round(1_000 * (at < 14 ? at : at - 14))),
        httpEndpoint('bb', Math.round(500 * at)),
      ]),
  })
  t.after(() => w.collector.close())
  await w.ready()
  for (let i = 0; i < 250; i++) {
    await w.seconds(0.1)
    const [a, b] = ['a', 'bb'].map((pod) => w.value('http_requests_per_second', { pod }))
    assert.ok(a === undefined || Math.abs(a - 1_000) < 60, String(a))
    near(b, 500)
  }
})

test('a proxy that is stale is told no more, and one that comes back tells nothing wild', async (t) => {
  let isAway = false
  const up = steady({ a: 100 })
  const w = world({ p: (at) => (isAway ? 'silent' : up(at)), q: steady({ b: 10 }) })
  t.after(() => w.collector.close())
  await w.ready()
  await w.seconds(3)
  isAway = true
  await w.seconds(5)
  near(w.value('http_requests_per_second', { pod: 'a' }), 100, 0.1)
  await w.seconds(8)
  assert.equal(w.value('http_requests_per_second', { pod: 'a' }), undefined)
  near(w.value('http_requests_per_second', { pod: 'b' }), 10, 0.1)
  assert.deepEqual(w.warnings, ['p'], 'told once')
  isAway = false
  await w.collector.ready()
  await w.seconds(2)
  near(w.value('http_requests_per_second', { pod: 'a' }), 100, 0.1)
})

test('a proxy that answers garbage harms nobody else', async (t) => {
  const w = world({ p: () => 'broken', q: steady({ b: 10 }) })
  t.after(() => w.collector.close())
  await w.ready()
  near(w.value('http_requests_per_second'), 10)
  assert.deepEqual(w.warnings, ['p'])
})

test('a pod that is gone is missing at once, one that is new has a rate after two samples', async (t) => {
  let pods: Readonly<Record<string, number>> = { a: 100 }
  const w = world({ p: (at) => steady(pods)(at) })
  t.after(() => w.collector.close())
  await w.ready()
  await w.seconds(3)
  pods = { bb: 40 }
  await w.seconds(1.1)
  assert.equal(w.value('http_requests_per_second', { pod: 'a' }), undefined)
  assert.equal(w.value('http_requests_per_second', { pod: 'bb' }), undefined, 'missing, not zero')
  await w.seconds(1.1)
  near(w.value('http_requests_per_second', { pod: 'bb' }), 40)
})

test('no requests are none a second; of none there is neither success nor latency', async (t) => {
  const w = world({ p: steady({ a: 0 }) })
  t.after(() => w.collector.close())
  await w.ready()
  assert.equal(w.value('http_requests_per_second'), 0)
  assert.equal(w.value('http_requests_in_flight'), 0)
  assert.equal(w.value('http_success_rate'), undefined)
  assert.equal(w.value('http_latency_p99_seconds'), undefined)
})

test('the success rate is of the requests of all pods and proxies', async (t) => {
  const counting =
    (pod: string, perSecond: number, failing: number): Proxy =>
    (at) => {
      const total = Math.round(perSecond * at)
      return meshSummary(at * 1000, [
        httpEndpoint(pod, 0, { requests: requests(total, { successful: total - Math.round(failing * at) }) }),
      ])
    }
  const w = world({ p: counting('a', 900, 0), q: counting('a', 100, 50) })
  t.after(() => w.collector.close())
  await w.ready()
  await w.seconds(4)
  near(w.value('http_success_rate'), 0.95, 0.01)
})

test('requests in flight are the mean of what was seen, and follow a step', async (t) => {
  const w = world({ p: (at) => meshSummary(at * 1000, [httpEndpoint('a', 0, { inFlight: at < 20 ? 4 : 64 })]) })
  t.after(() => w.collector.close())
  await w.ready()
  await w.seconds(17)
  near(w.value('http_requests_in_flight'), 4)
  await w.seconds(5)
  near(w.value('http_requests_in_flight'), 64)
})

test('latencies are those of the last seconds', async (t) => {
  const sample = (at: number): MeshEndpoint => {
    const fast = requests(Math.round(100 * Math.min(at, 30)), { boundMs: 10 })
    const slow = requests(Math.round(100 * Math.max(0, at - 30)), { boundMs: 1_000 })
    const latencyCounts = fast.latencyCounts.map((count, i) => count + slow.latencyCounts[i]!)
    const total = fast.total + slow.total
    return httpEndpoint('a', 0, { requests: { total, successful: total, latencyCounts } })
  }
  const w = world({ p: (at) => meshSummary(at * 1000, [sample(at)]) })
  t.after(() => w.collector.close())
  await w.ready()
  await w.seconds(20)
  // Spread evenly between 7.5 and 10 ms.
  near(w.value('http_latency_p50_seconds'), 0.00875)
  near(w.value('http_latency_p90_seconds'), 0.00975)
  await w.collector.ready()
  await w.seconds(13)
  near(w.value('http_latency_p99_seconds'), 0.99)
  await w.seconds(10)
  near(w.value('http_latency_p50_seconds'), 0.875, 0.1)
})

test('ports that are not HTTP have connections and bytes, and no requests', async (t) => {
  const w = world({
    p: (at) =>
      meshSummary(at * 1000, [
        httpEndpoint('db', 0, {
          requests: undefined,
          inFlight: undefined,
          openConnections: 3,
          connections: Math.round(20 * at),
          receivedBytes: Math.round(1_000 * at),
          sentBytes: Math.round(4_000 * at),
        }),
      ]),
  })
  t.after(() => w.collector.close())
  await w.ready()
  await w.seconds(12)
  assert.equal(w.value('http_requests_per_second'), undefined)
  assert.equal(w.value('http_requests_in_flight'), undefined)
  near(w.value('tcp_open_connections'), 3)
  near(w.value('tcp_connections_per_second'), 20, 0.1)
  near(w.value('tcp_received_bytes_per_second'), 1_000)
  near(w.value('tcp_sent_bytes_per_second'), 4_000)
})

test('nothing is told twice: neither an endpoint that stands in an answer twice nor an answer that comes again', async (t) => {
  const once = httpEndpoint('a', 500)
  const w = world({
    p: (at) =>
      meshSummary(Math.min(at, 12) * 1000, [
        { ...once, inFlight: 5 },
        { ...once, inFlight: 50 },
      ]),
  })
  t.after(() => w.collector.close())
  await w.ready()
  near(w.value('http_requests_in_flight'), 5)
})
