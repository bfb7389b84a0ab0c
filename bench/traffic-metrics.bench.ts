/**
 * What it costs to serve the traffic of many pods as metrics, from a proxy's answer to custom.metrics.k8s.io, and how
 * long the event loop is held by it; and what a scrape of pods' own metrics costs. `node bench/traffic-metrics.bench.ts`
 */
import { ExpositionParser } from '../src/agent/scrape/exposition-parser.ts'
import { MESH_LATENCY_BOUNDS_MS, type MeshSummary } from '../src/api/mesh-summary.ts'
import type { KubeObject } from '../src/api/object.ts'
import type { ResourceType } from '../src/api/resource-type.ts'
import type { Pod } from '../src/api/types/core-v1.gen.ts'
import { systemClock } from '../src/base/clock.ts'
import { silentLogger } from '../src/base/logger.ts'
import type { ClusterObjects } from '../src/controlplane/metrics-api/cluster-objects.ts'
import { decodeMesh } from '../src/controlplane/metrics-api/mesh/decode-mesh.ts'
import { MeshCollector } from '../src/controlplane/metrics-api/mesh/mesh-collector.ts'
import { MeshMetrics } from '../src/controlplane/metrics-api/mesh/mesh-metrics.ts'
import { ProxyHistory } from '../src/controlplane/metrics-api/mesh/proxy-history.ts'
import type { MetricSource } from '../src/controlplane/metrics-api/metric-source.ts'
import { createCustomMetricsGroup } from '../src/controlplane/metrics-api/values/custom-metrics-group.ts'
import { describeMachine } from './describe-machine.ts'

const ROUNDS = 20
const PODS_PER_SERVICE = 50
const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits))
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/** Busy pods: every class of latency has something in it. */
function summaryOf(pods: number, at: number): MeshSummary {
  const latencyCounts = Array.from({ length: MESH_LATENCY_BOUNDS_MS.length + 1 }, (_, i) => 1_000 * at + i)
  const total = latencyCounts.reduce((sum, count) => sum + count, 0)
  const endpoints = Array.from({ length: pods }, (_, i) => ({
    endpoint: `127.64.${128 + (i >> 8)}.${i & 255}:8080`,
    pod: `shop-6d4cf56db6-${i}`,
    inFlight: i % 20,
    requests: { total, successful: total - at, latencyCounts },
    openConnections: i % 20,
    connections: 100 * at,
    receivedBytes: 100_000 * at,
    sentBytes: 1_000_000 * at,
  }))
  const services = Array.from({ length: Math.ceil(pods / PODS_PER_SERVICE) }, (_, i) => ({
    namespace: 'default',
    service: `shop-${i}`,
    port: 'http',
    endpoints: endpoints.slice(i * PODS_PER_SERVICE, (i + 1) * PODS_PER_SERVICE),
  }))
  return { startedAtMs: 1, takenAtMs: at * 1_000, ports: services }
}

interface Held {
  /** Milliseconds that the work took in all. */
  readonly ms: number
  /** The longest time, of this thread's CPU, that nothing else had its turn. */
  readonly heldMs: number
}

const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Something else that wants its turn all the time tells how long it had to wait for this thread's work. */
async function watched(work: () => Promise<unknown>): Promise<Held> {
  let heldMs = 0
  let isOver = false
  let last = threadMs()
  const look = (): void => {
    const now = threadMs()
    heldMs = Math.max(heldMs, now - last)
    last = now
    if (!isOver) setImmediate(look)
  }
  setImmediate(look)
  const began = performance.now()
  await work()
  const ms = performance.now() - began
  look()
  isOver = true
  await new Promise((resolve) => setImmediate(resolve))
  return { ms, heldMs }
}

async function repeated(work: (round: number) => Promise<unknown>): Promise<Held> {
  const all: Held[] = []
  for (let round = 1; round <= ROUNDS; round++) all.push(await watched(() => work(round)))
  return { ms: median(all.map(({ ms }) => ms)), heldMs: Math.max(...all.map(({ heldMs }) => heldMs)) }
}

function objectsOf(pods: number): ClusterObjects {
  const all = Array.from({ length: pods }, (_, i): Pod => {
    const metadata = { name: `shop-6d4cf56db6-${i}`, namespace: 'default', uid: String(i), labels: { app: 'shop' } }
    return { metadata, spec: { nodeName: 'n', containers: [] }, status: { phase: 'Running' } }
  })
  const byName = new Map(all.map((pod) => [pod.metadata?.name ?? '', pod]))
  const isPods = ({ resource }: ResourceType): boolean => resource === 'pods'
  return {
    find: <T extends KubeObject>(type: ResourceType<T>, _: string, name: string) =>
      (isPods(type) ? byName.get(name) : undefined) as T | undefined,
    list: <T extends KubeObject>(type: ResourceType<T>) => (isPods(type) ? all : []) as unknown as readonly T[],
  }
}

async function traffic(pods: number): Promise<object> {
  const texts = Array.from({ length: ROUNDS + 1 }, (_, i) => Buffer.from(JSON.stringify(summaryOf(pods, i + 1))))
  const history = new ProxyHistory()
  const take = await repeated(async (round) => history.take(await decodeMesh(texts[round]!), round, round))
  let looks = 0
  const collector = new MeshCollector({
    proxies: () => [{ name: 'p', address: '', port: 0 }],
    source: async () => ({
      status: 200,
      body: (async function* () {
        yield texts[looks++ % texts.length]!
      })(),
    }),
    clock: { ...systemClock, setTimer: (ms, run) => systemClock.setTimer(ms > 900 ? 1 : ms, run) },
    logger: silentLogger,
  })
  await collector.ready()
  collector.close()
  const objects = objectsOf(pods)
  const group = createCustomMetricsGroup({ sources: [new MeshMetrics(collector) as unknown as MetricSource], objects })
  const info = { kind: 'resource', verb: 'get', group: group.group, version: 'v1beta2', namespace: 'default' } as const
  const subresource = 'http_requests_per_second'
  const ask = (name: string, metric = subresource): Promise<unknown> =>
    group.answer({ ...info, resource: 'pods', name, subresource: metric }, new URLSearchParams())
  const list = await repeated(() => ask('*'))
  const latencies = await repeated(() => ask('*', 'http_latency_p99_seconds'))
  return {
    pods,
    'answer KB': Math.round(texts[0]!.length / 1024),
    'read and kept ms': rounded(take.ms),
    'loop held ms': rounded(take.heldMs),
    'JSON.parse at once ms': rounded((await repeated(async () => JSON.parse(texts[0]!.toString()))).ms),
    'requests/s of all ms': rounded(list.ms),
    'loop held ms ': rounded(list.heldMs),
    'p99 of all ms': rounded(latencies.ms),
    'loop held ms  ': rounded(latencies.heldMs),
  }
}

/** What a program with so many series serves. */
function exposed(series: number): string {
  const lines = Array.from(
    { length: series },
    (_, i) => `http_requests_total{method="GET",code="200",handler="/api/v1/things/${i}"} ${i * 17}`,
  )
  return `# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n${lines.join('\n')}\n# TYPE queue_length gauge\nqueue_length 7\n`
}

async function scraping(series: number): Promise<object> {
  const text = exposed(series)
  const read = await repeated(async () => {
    const parser = new ExpositionParser(new Set(['queue_length']))
    for (let at = 0; at < text.length; at += 65_536) {
      parser.push(text.slice(at, at + 65_536))
      await new Promise((resolve) => setImmediate(resolve))
    }
    return parser.end()
  })
  return {
    'series of a pod': series,
    KB: Math.round(text.length / 1024),
    'scrape read ms': rounded(read.ms),
    'loop held ms': rounded(read.heldMs),
  }
}

export async function run(): Promise<void> {
  process.stdout.write(`traffic as metrics: ${describeMachine()}\n`)
  const rows: object[] = []
  for (const pods of [100, 1_000, 10_000]) rows.push(await traffic(pods))
  console.table(rows)
  const scrapes: object[] = []
  for (const series of [100, 1_000, 10_000]) scrapes.push(await scraping(series))
  console.table(scrapes)
}

if (import.meta.main) await run()
