import type { Millis } from '../../../base/clock.ts'
import type { Figure, MetricPart, MetricSource } from '../metric-source.ts'
import type { Counter, EndpointHistory, Gauge } from './endpoint-history.ts'
import { latencyQuantileMs } from './latency-quantile.ts'
import type { MeshCollector } from './mesh-collector.ts'
import type { ProxyHistory } from './proxy-history.ts'
import { GAUGE_ENOUGH, REQUESTS_ENOUGH, shortestWindowMs, WINDOW_MS_MAX } from './service-window.ts'

/** How a metric comes of what proxies count. `isHttp`: it is there for HTTP ports only. */
type Measure =
  | { readonly kind: 'rate'; readonly counter: Counter; readonly isHttp: boolean }
  | { readonly kind: 'mean'; readonly gauge: Gauge; readonly isHttp: boolean }
  | { readonly kind: 'success'; readonly isHttp: true }
  | { readonly kind: 'latency'; readonly quantile: number; readonly isHttp: true }

const MEASURES: Readonly<Record<string, Measure>> = {
  http_requests_per_second: { kind: 'rate', counter: 'requests', isHttp: true },
  http_requests_in_flight: { kind: 'mean', gauge: 'inFlight', isHttp: true },
  http_success_rate: { kind: 'success', isHttp: true },
  http_latency_p50_seconds: { kind: 'latency', quantile: 0.5, isHttp: true },
  http_latency_p90_seconds: { kind: 'latency', quantile: 0.9, isHttp: true },
  http_latency_p99_seconds: { kind: 'latency', quantile: 0.99, isHttp: true },
  tcp_open_connections: { kind: 'mean', gauge: 'openConnections', isHttp: false },
  tcp_connections_per_second: { kind: 'rate', counter: 'connections', isHttp: false },
  tcp_received_bytes_per_second: { kind: 'rate', counter: 'receivedBytes', isHttp: false },
  tcp_sent_bytes_per_second: { kind: 'rate', counter: 'sentBytes', isHttp: false },
}

/** One pod behind one Service port, as one proxy sees it. */
export interface MeshPart extends MetricPart {
  readonly service: string
  readonly proxy: ProxyHistory
  readonly endpoint: EndpointHistory
}

interface Windows {
  readonly rateMs: Millis
  readonly meanMs: Millis
}

/** The golden metrics of Services and their pods, from what all proxies count together. */
export class MeshMetrics implements MetricSource<MeshPart> {
  readonly #collector: MeshCollector
  /** Service → its windows, as of the collector's last sample. */
  readonly #windows = new Map<string, Windows>()
  #windowsOf = -1

  constructor(collector: MeshCollector) {
    this.#collector = collector
  }

  names(): Iterable<string> {
    return Object.keys(MEASURES)
  }

  serves(metric: string): boolean {
    return Object.hasOwn(MEASURES, metric)
  }

  ready(): Promise<void> {
    return this.#collector.ready()
  }

  *parts(metric: string, namespace: string): Generator<MeshPart> {
    const { isHttp } = MEASURES[metric]!
    for (const proxy of this.#collector.proxies())
      for (const endpoint of proxy.endpoints(namespace)) {
        if (isHttp && !endpoint.isHttp) continue
        const { pod, service, labels } = endpoint
        yield { namespace: endpoint.namespace, pod, service, labels, proxy, endpoint }
      }
  }

  seriesLabels({ labels }: MeshPart): Readonly<Record<string, string>> {
    return labels
  }

  figure(metric: string, parts: readonly MeshPart[]): Figure | undefined {
    const measure = MEASURES[metric]!
    let [value, windowMs, atMs]: readonly [number | undefined, Millis, Millis] = [undefined, 0, 0]
    for (const { proxy } of parts) atMs = Math.max(atMs, proxy.atMs)
    if (measure.kind === 'latency') {
      value = latencySeconds(parts, measure.quantile)
      windowMs = WINDOW_MS_MAX
    } else if (measure.kind === 'success') {
      value = this.#success(parts)
      windowMs = this.#longest(parts, 'rateMs')
    } else {
      const window = measure.kind === 'rate' ? 'rateMs' : 'meanMs'
      windowMs = this.#longest(parts, window)
      for (const part of parts) {
        const one = figureOf(part, measure, this.#windowsOfService(part)[window])
        if (one !== undefined) value = (value ?? 0) + one
      }
    }
    return value === undefined ? undefined : { value, atMs, windowMs }
  }

  #success(parts: readonly MeshPart[]): number | undefined {
    let [requests, successful] = [0, 0]
    for (const part of parts) {
      const { rateMs } = this.#windowsOfService(part)
      requests += part.proxy.growth(part.endpoint, 'requests', rateMs)?.count ?? 0
      successful += part.proxy.growth(part.endpoint, 'successful', rateMs)?.count ?? 0
    }
    // Of nothing no share can be told. A request may have ended between the two counters.
    return requests === 0 ? undefined : Math.min(1, successful / requests)
  }

  #longest(parts: readonly MeshPart[], window: keyof Windows): Millis {
    return parts.reduce((longest, part) => Math.max(longest, this.#windowsOfService(part)[window]), 0)
  }

  #windowsOfService({ namespace, service }: MeshPart): Windows {
    if (this.#windowsOf !== this.#collector.samples) {
      this.#windows.clear()
      this.#windowsOf = this.#collector.samples
    }
    const key = `${namespace}/${service}`
    let windows = this.#windows.get(key)
    if (windows === undefined) {
      windows = this.#chooseWindows(namespace, service)
      this.#windows.set(key, windows)
    }
    return windows
  }

  #chooseWindows(namespace: string, service: string): Windows {
    const all = [...this.#collector.proxies()].flatMap((proxy) =>
      Array.from(proxy.ofService(namespace, service), (endpoint) => ({ proxy, endpoint })),
    )
    const sum = (one: (of: (typeof all)[number]) => number | undefined): number =>
      all.reduce((total, of) => total + (one(of) ?? 0), 0)
    return {
      rateMs: shortestWindowMs(
        (ms) =>
          sum(({ proxy, endpoint }) => proxy.growth(endpoint, endpoint.isHttp ? 'requests' : 'connections', ms)?.count),
        REQUESTS_ENOUGH,
      ),
      meanMs: shortestWindowMs(
        (ms) =>
          sum(({ proxy, endpoint }) => proxy.mean(endpoint, endpoint.isHttp ? 'inFlight' : 'openConnections', ms)?.sum),
        GAUGE_ENOUGH,
      ),
    }
  }
}

function figureOf(
  { proxy, endpoint }: MeshPart,
  measure: Extract<Measure, { kind: 'rate' | 'mean' }>,
  windowMs: Millis,
): number | undefined {
  if (measure.kind === 'mean') return proxy.mean(endpoint, measure.gauge, windowMs)?.mean
  const growth = proxy.growth(endpoint, measure.counter, windowMs)
  return growth && (growth.count * 1000) / growth.elapsedMs
}

function latencySeconds(parts: readonly MeshPart[], quantile: number): number | undefined {
  const counts = new Float64Array(parts[0]?.endpoint.latencies.length ?? 0)
  let requests = 0
  for (const { proxy, endpoint } of parts) {
    requests += proxy.growth(endpoint, 'requests', WINDOW_MS_MAX)?.count ?? 0
    for (const [i, count] of endpoint.latencies.entries()) counts[i]! += count
  }
  // What is left of requests long ago tells nothing of now.
  const ms = requests === 0 ? undefined : latencyQuantileMs(counts, quantile)
  return ms === undefined ? undefined : ms / 1000
}
