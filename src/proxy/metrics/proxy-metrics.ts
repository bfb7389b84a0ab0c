import { readdirSync } from 'node:fs'
import type { Registry } from 'prom-client'
import type { Clock, Millis } from '../../base/clock.ts'
import {
  ACTIVE,
  BYTES_IN,
  BYTES_OUT,
  FAILED,
  MOVED,
  OPENED,
  REFUSED,
  REPEATED,
  type ServicePort,
} from '../l4/service-port.ts'
import type { UserspaceDataplane } from '../l4/userspace-dataplane.ts'
import type { TableKeeper } from '../table/table-keeper.ts'
import { DurationHistogram } from './duration-histogram.ts'
import { expositionText } from './exposition.ts'
import { meshSummaryText } from './mesh-summary-text.ts'
import { servicePortLabels } from './service-port-labels.ts'

/** Service ports beyond this share one line, so that a scrape stays small. */
const SERVICE_PORTS_MAX = 2_000

const SYNC = 'kubeproxy_sync_proxy_rules_duration_seconds'
const PROGRAMMING = 'kubeproxy_network_programming_duration_seconds'
/** kube-proxy's own buckets. */
const SYNC_BOUNDS = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i)
const PROGRAMMING_BOUNDS = [
  0.25,
  0.5,
  ...Array.from({ length: 59 }, (_, i) => 1 + i),
  ...Array.from({ length: 12 }, (_, i) => 60 + 5 * i),
  ...Array.from({ length: 7 }, (_, i) => 120 + 30 * i),
]

const BY_SERVICE_PORT = [
  [OPENED, 'counter', 'connections_opened_total', 'Connections and UDP sessions accepted from clients'],
  [ACTIVE, 'gauge', 'connections_active', 'Connections and UDP sessions open now'],
  [FAILED, 'counter', 'endpoint_failures_total', 'Connections that an endpoint did not accept'],
  [REFUSED, 'counter', 'connections_refused_total', 'Connections of clients for which there was no endpoint'],
  [MOVED, 'counter', 'connections_moved_total', 'Times that a connection left an endpoint that was going away'],
  [REPEATED, 'counter', 'requests_repeated_total', 'Requests sent to another endpoint because one lost them'],
  [BYTES_IN, 'counter', 'received_bytes_total', 'Bytes from clients to endpoints'],
  [BYTES_OUT, 'counter', 'sent_bytes_total', 'Bytes from endpoints to clients'],
] as const

interface Sample {
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
  readonly metricName?: string
}

/**
 * What the proxy counts, folded together only when somebody asks; the library is loaded at the first scrape. Names are
 * kube-proxy's where it has them.
 */
export class ProxyMetrics {
  readonly #clock: Clock
  readonly #dataplane: UserspaceDataplane
  readonly #keeper: () => TableKeeper
  readonly #startedAtMs: Millis
  readonly #sync = new DurationHistogram(SYNC_BOUNDS)
  readonly #programming = new DurationHistogram(PROGRAMMING_BOUNDS)
  #syncedAt: Millis = 0
  #queuedAt: Millis = 0
  #registry: Promise<Registry> | undefined

  constructor(clock: Clock, dataplane: UserspaceDataplane, keeper: () => TableKeeper) {
    this.#clock = clock
    this.#dataplane = dataplane
    this.#keeper = keeper
    this.#startedAtMs = clock.now()
  }

  /** A change has come. */
  queued(): void {
    this.#queuedAt = this.#clock.now()
  }

  /** Traffic follows the table now. `triggeredAt`: when what made the table change happened. */
  synced(durationMs: Millis, triggeredAt: readonly Millis[]): void {
    const now = this.#clock.now()
    this.#syncedAt = now
    this.#sync.observe(durationMs / 1000)
    for (const at of triggeredAt) this.#programming.observe(Math.max(0, now - at) / 1000)
  }

  /** The exposition text and its content type. */
  async scrape(): Promise<{ readonly text: string; readonly contentType: string }> {
    this.#registry ??= this.#register()
    const registry = await this.#registry
    const text = await registry.metrics()
    return { text: text + (await this.#httpText()), contentType: registry.contentType }
  }

  /** What `/mesh` answers, in pieces. */
  mesh(): AsyncIterable<string> {
    const dataplane = this.#dataplane
    return meshSummaryText({
      startedAtMs: this.#startedAtMs,
      takenAtMs: this.#clock.monotonic(),
      table: this.#keeper().table,
      connections: (servicePort) => dataplane.servicePort(servicePort)?.endpointCounts(),
      http: (servicePort) => dataplane.http?.service(servicePort),
    })
  }

  async #httpText(): Promise<string> {
    const { http } = this.#dataplane
    if (http === undefined) return ''
    const { httpServiceFamilies } = await import('./http-service-families.ts')
    return expositionText(httpServiceFamilies(http))
  }

  async #register(): Promise<Registry> {
    const { Registry } = await import('prom-client')
    const registry = new Registry()
    const add = (name: string, type: string, help: string, values: () => readonly Sample[]): void => {
      const get = async () => ({
        name,
        help,
        type,
        aggregator: 'sum',
        values: values().map((sample) => ({ labels: {}, ...sample })),
      })
      const family = { name, help, type, aggregator: 'sum', get }
      registry.registerMetric(family as unknown as Parameters<typeof registry.registerMetric>[0])
    }
    const one = (value: number): readonly Sample[] => [{ value }]
    const { counts } = this.#keeper()
    add(SYNC, 'histogram', 'SyncProxyRules latency in seconds', () => this.#sync.samples(SYNC))
    add(PROGRAMMING, 'histogram', 'In Cluster Network Programming Latency in seconds', () =>
      this.#programming.samples(PROGRAMMING),
    )
    const rules = 'kubeproxy_sync_proxy_rules'
    add(`${rules}_last_timestamp_seconds`, 'gauge', 'The last time proxy rules were successfully synced', () =>
      one(this.#syncedAt / 1000),
    )
    add(`${rules}_last_queued_timestamp_seconds`, 'gauge', 'The last time a sync of proxy rules was queued', () =>
      one(this.#queuedAt / 1000),
    )
    add(`${rules}_endpoint_changes_pending`, 'gauge', 'Pending proxy rules Endpoint changes', () =>
      one(counts.slicesPending),
    )
    add(`${rules}_endpoint_changes_total`, 'counter', 'Cumulative proxy rules Endpoint changes', () =>
      one(counts.slicesTotal),
    )
    add(`${rules}_service_changes_pending`, 'gauge', 'Pending proxy rules Service changes', () =>
      one(counts.servicesPending),
    )
    add(`${rules}_service_changes_total`, 'counter', 'Cumulative proxy rules Service changes', () =>
      one(counts.servicesTotal),
    )
    for (const [place, type, name, help] of BY_SERVICE_PORT)
      add(`wherry_proxy_${name}`, type, help, () => this.#byServicePort(place))
    add('wherry_proxy_connections_shed_total', 'counter', 'Connections reset because there were too many', () =>
      one(this.#dataplane.connections.shed),
    )
    add('wherry_proxy_listeners', 'gauge', 'Addresses and ports by their state', () => this.#listeners())
    add('process_cpu_seconds_total', 'counter', 'User and system CPU time in seconds', () => {
      const { user, system } = process.cpuUsage()
      return one((user + system) / 1e6)
    })
    add('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes', () => one(process.memoryUsage.rss()))
    add('process_open_fds', 'gauge', 'Open file descriptors', () => one(readdirSync('/proc/self/fd').length))
    add('process_start_time_seconds', 'gauge', 'Start time since the epoch in seconds', () =>
      one(this.#clock.now() / 1000 - process.uptime()),
    )
    return registry
  }

  #byServicePort(place: number): readonly Sample[] {
    const samples: Sample[] = []
    let others = 0
    for (const servicePort of this.#dataplane.servicePorts()) {
      const value = servicePort.counts[place]! + this.#httpBytes(servicePort, place)
      if (samples.length < SERVICE_PORTS_MAX)
        samples.push({ value, labels: { ...servicePortLabels(servicePort.name) } })
      else others += value
    }
    if (others > 0) samples.push({ value: others, labels: { namespace: '', service: 'others', port: '' } })
    return samples
  }

  /** The engine counts bytes by request; the others are counted as they are relayed. */
  #httpBytes({ name }: ServicePort, place: number): number {
    if (place !== BYTES_IN && place !== BYTES_OUT) return 0
    const service = this.#dataplane.http?.service(name)
    return service === undefined ? 0 : place === BYTES_IN ? service.receivedBytes : service.sentBytes
  }

  #listeners(): readonly Sample[] {
    const counts = new Map([
      ['bound', 0],
      ['waiting', 0],
      ['failed', 0],
    ])
    for (const { binding } of this.#dataplane.bindings()) counts.set(binding.state, counts.get(binding.state)! + 1)
    return [...counts].map(([state, value]) => ({ value, labels: { state } }))
  }
}
