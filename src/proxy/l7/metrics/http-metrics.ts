import type { Registry } from 'prom-client'
import {
  BYTES_IN,
  BYTES_OUT,
  LATENCY_BOUNDS_MS,
  LATENCY_SUM_MS,
  type RequestSeries,
  STATUS_CLASSES,
  type UpstreamMetrics,
} from './upstream-metrics.ts'

/** What is scraped: an engine's state at that moment. */
export interface MetricsSource {
  readonly upstreams: readonly MetricsUpstream[]
  /** Answers of the proxy's own to requests that belong to no route, by code. */
  readonly errors: ReadonlyMap<string, number>
  /** Clients' connections. */
  readonly connections: number
}

interface MetricsUpstream {
  readonly metrics: UpstreamMetrics
  endpoints(): Iterable<{
    readonly balanced: { readonly name: string; readonly ejectedUntilMs: number; readonly ejections: number }
    readonly connections: number
    readonly idleConnections: number
    readonly sharing: { readonly depth: number }
  }>
}

interface Sample {
  readonly value: number
  readonly labels: Readonly<Record<string, string>>
  readonly metricName?: string
}

type Values = () => Iterable<Sample>

/**
 * Makes the families of HTTP metrics known to a registry. Counting happens in typed arrays on the hot path; they are
 * folded into samples only when somebody scrapes. Labels are bounded: services and routes by configuration, endpoints
 * by `UpstreamMetrics`, codes by the proxy's own tables.
 */
export function registerHttpMetrics(registry: Registry, source: MetricsSource): void {
  const add = (name: string, help: string, type: string, values: Values): void => {
    const get = async (): Promise<unknown> => ({ name, help, type, aggregator: 'sum', values: [...values()] })
    const family = { name, help, type, aggregator: 'sum', get }
    registry.registerMetric(family as unknown as Parameters<typeof registry.registerMetric>[0])
  }
  const duration = 'wherry_http_request_duration_seconds'
  add('wherry_http_requests_total', 'Requests answered, by class of status', 'counter', () => requests(source))
  add(duration, 'From the head of a request to the end of its response', 'histogram', () => durations(source, duration))
  add('wherry_http_request_bytes_total', 'Bytes of requests', 'counter', () => perSeries(source, BYTES_IN))
  add('wherry_http_response_bytes_total', 'Bytes of responses', 'counter', () => perSeries(source, BYTES_OUT))
  const perService = (value: (metrics: UpstreamMetrics) => number): Values => {
    return () =>
      source.upstreams.map(({ metrics }) => ({ value: value(metrics), labels: { service: metrics.service } }))
  }
  add(
    'wherry_http_requests_in_flight',
    'Requests under way',
    'gauge',
    perService(({ inFlight }) => inFlight),
  )
  add(
    'wherry_http_retries_total',
    'Requests sent again after a failure',
    'counter',
    perService(({ retries }) => retries),
  )
  add(
    'wherry_http_moved_total',
    'Requests sent again because they had waited too long behind another one',
    'counter',
    perService(({ moved }) => moved),
  )
  add('wherry_http_errors_total', 'Requests that got no whole response from an endpoint, by reason', 'counter', () =>
    errors(source),
  )
  add('wherry_grpc_responses_total', 'Responses of gRPC calls, by code', 'counter', () => grpcResponses(source))
  add('wherry_http_client_connections', 'Connections of clients', 'gauge', () => [
    { value: source.connections, labels: {} },
  ])
  add('wherry_http_endpoint_connections', 'Connections to endpoints, by use', 'gauge', () => endpoints(source))
  add('wherry_http_endpoint_depth', 'Requests that a connection to an endpoint may hold', 'gauge', () =>
    perEndpoint(source, ({ sharing }) => sharing.depth),
  )
  add('wherry_http_endpoint_ejections', 'Ejections that count against an endpoint', 'gauge', () =>
    perEndpoint(source, ({ balanced }) => balanced.ejections),
  )
}

function labelsOf({ service }: UpstreamMetrics, { route, endpoint }: RequestSeries): Record<string, string> {
  return { service, route, endpoint }
}

function* requests(source: MetricsSource): Generator<Sample> {
  for (const { metrics } of source.upstreams) {
    for (const series of metrics.allSeries()) {
      for (let place = 0; place < STATUS_CLASSES; place++) {
        const value = series.counts[place]!
        if (value > 0) yield { value, labels: { ...labelsOf(metrics, series), code: `${place + 1}xx` } }
      }
    }
  }
}

function* perSeries(source: MetricsSource, place: number): Generator<Sample> {
  for (const { metrics } of source.upstreams) {
    for (const series of metrics.allSeries()) yield { value: series.counts[place]!, labels: labelsOf(metrics, series) }
  }
}

/** By service and route: buckets per endpoint would be most of a scrape. */
function* durations(source: MetricsSource, name: string): Generator<Sample> {
  for (const { metrics } of source.upstreams) {
    const byRoute = new Map<string, { readonly buckets: Float64Array; sumMs: number }>()
    for (const { route, buckets, counts } of metrics.allSeries()) {
      const total = byRoute.get(route) ?? { buckets: new Float64Array(buckets.length), sumMs: 0 }
      for (let i = 0; i < buckets.length; i++) total.buckets[i]! += buckets[i]!
      total.sumMs += counts[LATENCY_SUM_MS]!
      byRoute.set(route, total)
    }
    for (const [route, { buckets, sumMs }] of byRoute) {
      const labels = { service: metrics.service, route }
      let count = 0
      for (let i = 0; i < buckets.length; i++) {
        count += buckets[i]!
        const le = i < LATENCY_BOUNDS_MS.length ? String(LATENCY_BOUNDS_MS[i]! / 1_000) : '+Inf'
        yield { metricName: `${name}_bucket`, value: count, labels: { ...labels, le } }
      }
      yield { metricName: `${name}_sum`, value: sumMs / 1_000, labels }
      yield { metricName: `${name}_count`, value: count, labels }
    }
  }
}

function* errors(source: MetricsSource): Generator<Sample> {
  for (const [code, value] of source.errors) yield { value, labels: { service: '', code } }
  for (const { metrics } of source.upstreams) {
    for (const [code, value] of metrics.errors()) yield { value, labels: { service: metrics.service, code } }
  }
}

function* grpcResponses(source: MetricsSource): Generator<Sample> {
  for (const { metrics } of source.upstreams) {
    for (const [code, value] of metrics.grpc.entries()) {
      if (value > 0) yield { value, labels: { service: metrics.service, grpc_code: String(code) } }
    }
  }
}

type Endpoint = ReturnType<MetricsUpstream['endpoints']> extends Iterable<infer E> ? E : never

function* perEndpoint(source: MetricsSource, measure: (endpoint: Endpoint) => number): Generator<Sample> {
  for (const upstream of source.upstreams) {
    for (const endpoint of upstream.endpoints()) {
      const labels = { service: upstream.metrics.service, endpoint: endpoint.balanced.name }
      yield { value: measure(endpoint), labels }
    }
  }
}

function* endpoints(source: MetricsSource): Generator<Sample> {
  for (const upstream of source.upstreams) {
    for (const { balanced, connections, idleConnections } of upstream.endpoints()) {
      const labels = { service: upstream.metrics.service, endpoint: balanced.name }
      yield { value: idleConnections, labels: { ...labels, state: 'idle' } }
      yield { value: connections - idleConnections, labels: { ...labels, state: 'busy' } }
    }
  }
}
