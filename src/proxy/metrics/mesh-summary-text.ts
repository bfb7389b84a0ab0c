import { MESH_LATENCY_BOUNDS_MS, type MeshEndpoint, type MeshRequests } from '../../api/mesh-summary.ts'
import type { HttpService } from '../http-services/http-service.ts'
import { CONNECTED, type EndpointCounts, endpointName, OPEN, RECEIVED, SENT } from '../l4/endpoint-counts.ts'
import { BYTES_IN, BYTES_OUT, type RequestSeries, STATUS_CLASSES } from '../l7/metrics/upstream-metrics.ts'
import type { Endpoint, Listener, RoutingTable } from '../table/routing-table.ts'
import { servicePortLabels } from './service-port-labels.ts'
import { TimeSlice } from './time-slice.ts'

export interface MeshSource {
  readonly startedAtMs: number
  /** By the monotonic clock. */
  readonly takenAtMs: number
  /** At that moment; it never changes, so the text may take its time. */
  readonly table: RoutingTable
  /** What is counted of connections to one Service port's endpoints; undefined: nothing was. */
  connections(servicePort: string): ReadonlyMap<string, EndpointCounts> | undefined
  /** undefined: the Service port does not carry HTTP. */
  http(servicePort: string): HttpService | undefined
}

const PIECE_CHARACTERS = 64 * 1024
/** 5xx. */
const FIFTH_CLASS = 4
const NO_LATENCIES = new Float64Array(MESH_LATENCY_BOUNDS_MS.length + 1)

/** A `MeshSummary` as JSON, in pieces. Other work has its turn while it is made, however many endpoints there are. */
export async function* meshSummaryText(source: MeshSource): AsyncGenerator<string> {
  const slice = new TimeSlice()
  let piece = `{"startedAtMs":${source.startedAtMs},"takenAtMs":${source.takenAtMs},"ports":[`
  let isFirstPort = true
  for (const { listeners } of source.table.services.values()) {
    for (const [name, own] of Map.groupBy(listeners, ({ servicePort }) => servicePort)) {
      const { namespace, service, port } = servicePortLabels(name)
      piece += `${isFirstPort ? '' : ','}{${JSON.stringify({ namespace, service, port }).slice(1, -1)},"endpoints":[`
      isFirstPort = false
      let isFirst = true
      for (const endpoint of portEndpoints(source, name, own)) {
        piece += `${isFirst ? '' : ','}${JSON.stringify(endpoint)}`
        isFirst = false
        if (piece.length < PIECE_CHARACTERS && !slice.isOver) continue
        yield piece
        piece = ''
        await slice.next()
      }
      piece += ']}'
    }
  }
  yield `${piece}]}`
}

function* portEndpoints(source: MeshSource, name: string, listeners: readonly Listener[]): Generator<MeshEndpoint> {
  const endpoints = new Map<string, Endpoint>()
  // Most listeners of a port share one list.
  const lists = new Set(
    listeners.flatMap((listener) => [listener.endpoints, ...(listener.endpointsByNode?.values() ?? [])]),
  )
  for (const list of lists) for (const endpoint of list) endpoints.set(endpointName(endpoint), endpoint)
  const http = source.http(name)
  if (http === undefined) {
    const counts = source.connections(name)
    for (const [key, { pod }] of endpoints) yield relayed(key, pod, counts?.get(key))
    return
  }
  const series = Map.groupBy(http.metrics.allSeries(), ({ endpoint }) => endpoint)
  const known = http.endpoints()
  for (const [key, { pod }] of endpoints) {
    const own = series.get(key) ?? []
    const { inFlight = 0, openConnections = 0, connections = 0 } = known.get(key) ?? {}
    yield {
      endpoint: key,
      pod,
      inFlight,
      requests: requestsOf(own),
      openConnections,
      connections,
      receivedBytes: sumOf(own, BYTES_IN),
      sentBytes: sumOf(own, BYTES_OUT),
    }
  }
}

function relayed(endpoint: string, pod: string | undefined, counted: EndpointCounts | undefined): MeshEndpoint {
  // What was counted of an earlier pod at the same address is none of its business.
  const counts = counted?.pod === pod ? counted?.counts : undefined
  return {
    endpoint,
    pod,
    inFlight: undefined,
    requests: undefined,
    openConnections: counts?.[OPEN] ?? 0,
    connections: counts?.[CONNECTED] ?? 0,
    receivedBytes: counts?.[RECEIVED] ?? 0,
    sentBytes: counts?.[SENT] ?? 0,
  }
}

function requestsOf(series: readonly RequestSeries[]): MeshRequests {
  let total = 0
  for (let place = 0; place < STATUS_CLASSES; place++) total += sumOf(series, place)
  const [first] = series
  const latencyCounts = Array.from(first?.buckets ?? NO_LATENCIES)
  for (const { buckets } of series.slice(1)) for (let i = 0; i < buckets.length; i++) latencyCounts[i]! += buckets[i]!
  return { total, successful: total - sumOf(series, FIFTH_CLASS), latencyCounts }
}

function sumOf(series: readonly RequestSeries[], place: number): number {
  return series.reduce((sum, { counts }) => sum + counts[place]!, 0)
}
