import { MESH_LATENCY_BOUNDS_MS } from '../../../api/mesh-summary.ts'

/** Upper bounds of the latency buckets in milliseconds; beyond the last: +Inf. The classes that metrics APIs read. */
export const LATENCY_BOUNDS_MS = MESH_LATENCY_BOUNDS_MS
const BUCKETS = LATENCY_BOUNDS_MS.length + 1

/** Places in `RequestSeries.counts`. Status classes 1xx to 5xx come first. */
export const STATUS_CLASSES = 5
export const BYTES_IN = 5
export const BYTES_OUT = 6
export const LATENCY_SUM_MS = 7
const COUNTS = 8

/** What is counted for one route and endpoint. Numbers in typed arrays: recording allocates nothing. */
export class RequestSeries {
  readonly route: string
  readonly endpoint: string
  readonly counts = new Float64Array(COUNTS)
  readonly buckets = new Float64Array(BUCKETS)

  constructor(route: string, endpoint: string) {
    this.route = route
    this.endpoint = endpoint
  }

  record(status: number, latencyMs: number, bytesIn: number, bytesOut: number): void {
    const { counts } = this
    const place = Math.floor(status / 100) - 1
    if (place >= 0 && place < STATUS_CLASSES) counts[place]! += 1
    counts[BYTES_IN]! += bytesIn
    counts[BYTES_OUT]! += bytesOut
    counts[LATENCY_SUM_MS]! += latencyMs
    let bucket = 0
    while (bucket < BUCKETS - 1 && latencyMs > LATENCY_BOUNDS_MS[bucket]!) bucket++
    this.buckets[bucket]! += 1
  }

  /** Of upgraded connections, whose requests have long been counted. */
  addBytes(bytesIn: number, bytesOut: number): void {
    this.counts[BYTES_IN]! += bytesIn
    this.counts[BYTES_OUT]! += bytesOut
  }
}

/** Codes of gRPC: 0 to 16. */
export const GRPC_CODES = 17

/** Route and endpoint of the series that stands for those there was no room for. */
export const OTHERS = 'others'
/** Series beyond this go into one that stands for the others, so that a scrape stays small. */
const SERIES_MAX = 1_000

/** All that one upstream's requests are counted by. */
export class UpstreamMetrics {
  readonly service: string
  inFlight = 0
  retries = 0
  /** Requests sent again because those before them on their connection took too long. */
  moved = 0
  /** Responses of gRPC calls by their code. */
  readonly grpc = new Float64Array(GRPC_CODES)
  readonly #series = new Map<string, RequestSeries>()
  readonly #errors = new Map<string, number>()

  constructor(service: string) {
    this.service = service
  }

  /** To be looked up once and kept. */
  series(route: string, endpoint: string): RequestSeries {
    const key = `${route}\0${endpoint}`
    const known = this.#series.get(key)
    if (known !== undefined) return known
    const isFull = this.#series.size >= SERIES_MAX
    if (isFull && route !== OTHERS) return this.series(OTHERS, OTHERS)
    const series = new RequestSeries(route, endpoint)
    this.#series.set(key, series)
    return series
  }

  /** An answer of the proxy's own, by its code: one of a few. */
  countError(code: string): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1)
  }

  /** The series of an endpoint that is gone are told of no longer, and returned. */
  take(endpoint: string): readonly RequestSeries[] {
    const taken: RequestSeries[] = []
    for (const [key, series] of this.#series) {
      if (series.endpoint !== endpoint) continue
      this.#series.delete(key)
      taken.push(series)
    }
    return taken
  }

  allSeries(): Iterable<RequestSeries> {
    return this.#series.values()
  }

  errors(): ReadonlyMap<string, number> {
    return this.#errors
  }
}
