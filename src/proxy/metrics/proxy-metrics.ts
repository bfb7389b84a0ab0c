import type { Clock, Millis } from '../../base/clock.ts'
import { DurationHistogram } from '../../base/duration-histogram.ts'
import { EXPOSITION_TYPE, expositionPieces, type MetricFamily, type MetricSample } from '../../base/metric-families.ts'
import { processMetrics } from '../../base/process-metrics.ts'
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

/**
 * What the proxy counts, folded together only when somebody asks. Names are kube-proxy's where it has them.
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
  readonly #more: () => Iterable<MetricFamily>

  /** `more`: what else the process has to tell. */
  constructor(
    clock: Clock,
    dataplane: UserspaceDataplane,
    keeper: () => TableKeeper,
    more: () => Iterable<MetricFamily> = () => [],
  ) {
    this.#more = more
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

  /** The exposition text in pieces, and its content type. */
  async scrape(): Promise<{ readonly pieces: AsyncIterable<Buffer>; readonly contentType: string }> {
    const families = [...this.#families(), ...(await this.#httpFamilies())]
    return { pieces: expositionPieces(families), contentType: EXPOSITION_TYPE }
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

  async #httpFamilies(): Promise<readonly MetricFamily[]> {
    const { http } = this.#dataplane
    if (http === undefined) return []
    const { httpServiceFamilies } = await import('./http-service-families.ts')
    return httpServiceFamilies(http)
  }

  #families(): readonly MetricFamily[] {
    const one = (value: number): readonly MetricSample[] => [{ value }]
    const family = (
      name: string,
      type: MetricFamily['type'],
      help: string,
      samples: () => Iterable<MetricSample>,
    ): MetricFamily => ({ name, type, help, samples })
    const { counts } = this.#keeper()
    const rules = 'kubeproxy_sync_proxy_rules'
    return [
      family(SYNC, 'histogram', 'SyncProxyRules latency in seconds', () => this.#sync.samples(SYNC)),
      family(PROGRAMMING, 'histogram', 'In Cluster Network Programming Latency in seconds', () =>
        this.#programming.samples(PROGRAMMING),
      ),
      family(`${rules}_last_timestamp_seconds`, 'gauge', 'The last time proxy rules were successfully synced', () =>
        one(this.#syncedAt / 1000),
      ),
      family(`${rules}_last_queued_timestamp_seconds`, 'gauge', 'The last time a sync of proxy rules was queued', () =>
        one(this.#queuedAt / 1000),
      ),
      family(`${rules}_endpoint_changes_pending`, 'gauge', 'Pending proxy rules Endpoint changes', () =>
        one(counts.slicesPending),
      ),
      family(`${rules}_endpoint_changes_total`, 'counter', 'Cumulative proxy rules Endpoint changes', () =>
        one(counts.slicesTotal),
      ),
      family(`${rules}_service_changes_pending`, 'gauge', 'Pending proxy rules Service changes', () =>
        one(counts.servicesPending),
      ),
      family(`${rules}_service_changes_total`, 'counter', 'Cumulative proxy rules Service changes', () =>
        one(counts.servicesTotal),
      ),
      ...BY_SERVICE_PORT.map(([place, type, name, help]) =>
        family(`wherry_proxy_${name}`, type, help, () => this.#byServicePort(place)),
      ),
      family('wherry_proxy_connections_shed_total', 'counter', 'Connections reset because there were too many', () =>
        one(this.#dataplane.connections.shed),
      ),
      family('wherry_proxy_listeners', 'gauge', 'Addresses and ports by their state', () => this.#listeners()),
      ...this.#more(),
      ...processMetrics(this.#clock),
    ]
  }

  #byServicePort(place: number): readonly MetricSample[] {
    const samples: MetricSample[] = []
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

  #listeners(): readonly MetricSample[] {
    const counts = new Map([
      ['bound', 0],
      ['waiting', 0],
      ['failed', 0],
    ])
    for (const { binding } of this.#dataplane.bindings()) counts.set(binding.state, counts.get(binding.state)! + 1)
    return [...counts].map(([state, value]) => ({ value, labels: { state } }))
  }
}
