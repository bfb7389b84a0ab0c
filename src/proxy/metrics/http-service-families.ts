import type { MetricFamily, MetricSample } from '../../base/metric-families.ts'
import type { HttpEndpoint, HttpService } from '../http-services/http-service.ts'
import type { HttpServices } from '../http-services/http-services.ts'
import {
  BYTES_IN,
  BYTES_OUT,
  LATENCY_BOUNDS_MS,
  LATENCY_SUM_MS,
  type RequestSeries,
  STATUS_CLASSES,
} from '../l7/metrics/upstream-metrics.ts'
import { servicePortLabels } from './service-port-labels.ts'

const DURATION = 'wherry_http_request_duration_seconds'

/**
 * The golden signals of Services whose ports carry HTTP, by namespace, Service, port, route and pod. Series of endpoints
 * that are gone are told for five minutes. Latencies are by Service and route: by pod they would be most of a scrape.
 */
export function httpServiceFamilies(http: HttpServices): readonly MetricFamily[] {
  const nowMs = http.engine.context.clock.monotonic()
  for (const service of http.services()) service.forgetGone()
  const family = (
    name: string,
    help: string,
    type: MetricFamily['type'],
    samples: (service: HttpService) => Iterable<MetricSample>,
  ): MetricFamily => ({
    name: `wherry_http_${name}`,
    help,
    type,
    *samples() {
      for (const service of http.services()) yield* samples(service)
    },
  })
  const perService = (value: (service: HttpService) => number) => (service: HttpService) => [
    { value: value(service), labels: serviceLabels(service) },
  ]
  return [
    family('requests_total', 'Requests answered, by class of status', 'counter', requests),
    family('request_duration_seconds', 'From the head of a request to the end of its response', 'histogram', durations),
    family('request_bytes_total', 'Bytes of requests', 'counter', (service) => perSeries(service, BYTES_IN)),
    family('response_bytes_total', 'Bytes of responses', 'counter', (service) => perSeries(service, BYTES_OUT)),
    family('requests_in_flight', 'Requests under way', 'gauge', (service) =>
      perEndpoint(service, ({ inFlight }) => inFlight),
    ),
    family('endpoint_connections', 'Connections to endpoints, by use', 'gauge', connections),
    family('endpoint_ejected', '1: nothing is sent there for its failures', 'gauge', (service) =>
      perEndpoint(service, ({ ejectedUntilMs }) => (ejectedUntilMs > nowMs ? 1 : 0)),
    ),
    family(
      'ejections_total',
      'Times that an endpoint was taken out for its failures',
      'counter',
      perService(({ ejections }) => ejections),
    ),
    family(
      'retries_total',
      'Requests sent again after a failure',
      'counter',
      perService(({ metrics }) => metrics.retries),
    ),
    family(
      'moved_total',
      'Requests sent again because they had waited too long behind another one',
      'counter',
      perService(({ metrics }) => metrics.moved),
    ),
    family('errors_total', 'Requests that got no whole response from an endpoint, by reason', 'counter', errors),
    {
      name: 'wherry_grpc_responses_total',
      help: 'Responses of gRPC calls, by code',
      type: 'counter',
      *samples() {
        for (const service of http.services()) yield* grpcResponses(service)
      },
    },
    {
      name: 'wherry_http_client_connections',
      help: 'Connections of clients',
      type: 'gauge',
      samples: () => [{ value: http.connections }],
    },
    {
      name: 'wherry_http_refused_requests_total',
      help: 'Requests that were answered by the proxy itself before a Service was found, by reason',
      type: 'counter',
      samples: () => [...http.errors].map(([code, value]) => ({ value, labels: { code } })),
    },
  ]
}

type Labels = Readonly<Record<string, string>>

function serviceLabels({ name }: HttpService): Labels {
  return { ...servicePortLabels(name) }
}

/** The address, too: two pods of one name may have followed one another, and endpoints need not be pods. */
function endpointLabels(own: Labels, service: HttpService, endpoint: string): Labels {
  return { ...own, pod: service.pod(endpoint), endpoint }
}

function* requests(service: HttpService): Generator<MetricSample> {
  const own = serviceLabels(service)
  for (const { route, endpoint, counts } of service.metrics.allSeries()) {
    const labels = endpointLabels({ ...own, route }, service, endpoint)
    for (let place = 0; place < STATUS_CLASSES; place++) {
      const value = counts[place]!
      if (value > 0) yield { value, labels: { ...labels, code: `${place + 1}xx` } }
    }
  }
}

function* perSeries(service: HttpService, place: number): Generator<MetricSample> {
  const own = serviceLabels(service)
  for (const { route, endpoint, counts } of service.metrics.allSeries())
    yield { value: counts[place]!, labels: endpointLabels({ ...own, route }, service, endpoint) }
}

function* perEndpoint(service: HttpService, measure: (endpoint: HttpEndpoint) => number): Generator<MetricSample> {
  const own = serviceLabels(service)
  for (const [name, endpoint] of service.endpoints())
    yield { value: measure(endpoint), labels: endpointLabels(own, service, name) }
}

function* connections(service: HttpService): Generator<MetricSample> {
  const own = serviceLabels(service)
  for (const [name, { openConnections, idleConnections }] of service.endpoints()) {
    const labels = endpointLabels(own, service, name)
    yield { value: idleConnections, labels: { ...labels, state: 'idle' } }
    yield { value: openConnections - idleConnections, labels: { ...labels, state: 'busy' } }
  }
}

function* durations(service: HttpService): Generator<MetricSample> {
  const own = serviceLabels(service)
  const byRoute = Map.groupBy([service.gone, ...service.metrics.allSeries()], ({ route }) => route)
  for (const [route, all] of byRoute) {
    const labels = { ...own, route }
    let count = 0
    for (let i = 0; i <= LATENCY_BOUNDS_MS.length; i++) {
      for (const { buckets } of all) count += buckets[i]!
      const le = i < LATENCY_BOUNDS_MS.length ? String(LATENCY_BOUNDS_MS[i]! / 1_000) : '+Inf'
      yield { metricName: `${DURATION}_bucket`, value: count, labels: { ...labels, le } }
    }
    const sumMs = all.reduce((sum: number, { counts }: RequestSeries) => sum + counts[LATENCY_SUM_MS]!, 0)
    yield { metricName: `${DURATION}_sum`, value: sumMs / 1_000, labels }
    yield { metricName: `${DURATION}_count`, value: count, labels }
  }
}

function* grpcResponses(service: HttpService): Generator<MetricSample> {
  const own = serviceLabels(service)
  for (const [code, value] of service.metrics.grpc.entries())
    if (value > 0) yield { value, labels: { ...own, grpc_code: String(code) } }
}

function* errors(service: HttpService): Generator<MetricSample> {
  const own = serviceLabels(service)
  for (const [code, value] of service.metrics.errors()) yield { value, labels: { ...own, code } }
}
