import type { ResourceDefinition } from '../../../api/definition.ts'
import { subresourcesOf } from '../../../api/discovery/served-resources.ts'
import type { MetricSample } from '../../../base/metric-families.ts'
import { isConnecting, type RequestInfo, type ResourceInfo } from '../request-info.ts'

type Labels = Readonly<Record<string, string>>

/** kube-apiserver's own buckets, in seconds. */
const BOUNDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const CODES = [200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 422, 429, 500, 502, 503, 504]
/** Status → its place among the counts; what is not listed shares the last one. */
const PLACES = new Uint8Array(600).fill(CODES.length)
for (const [place, code] of CODES.entries()) PLACES[code] = place

const VERBS: Readonly<Record<string, string>> = {
  get: 'GET',
  list: 'LIST',
  watch: 'WATCH',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETECOLLECTION',
  head: 'HEAD',
  post: 'POST',
  put: 'PUT',
}
/** Paths that are no resource are told apart by their beginning, as far as it is one of these. */
const ROOTS = new Set(['/api', '/apis', '/healthz', '/livez', '/metrics', '/openapi', '/readyz', '/version'])
/** Ways to ask that are told apart; a scrape of as many takes 20 ms. */
const ROUTES_MAX = 200

/** One way to ask: its counts by status and its durations, kept where recording touches nothing but numbers. */
class Route {
  readonly labels: Labels
  readonly codes = new Float64Array(CODES.length + 1)
  readonly buckets = new Float64Array(BOUNDS.length + 1)
  seconds = 0

  constructor(labels: Labels) {
    this.labels = labels
  }
}

/** The subresource as a label: one that the resource has, since anybody can ask for any other. */
function subresourceOf(definition: ResourceDefinition | undefined, info: RequestInfo): string {
  if (info.kind === 'path') {
    const slash = info.path.indexOf('/', 1)
    const root = slash < 0 ? info.path : info.path.slice(0, slash)
    return ROOTS.has(root) ? root : ''
  }
  if (definition === undefined || info.subresource === '') return ''
  return subresourcesOf(definition).some(({ name }) => name === info.subresource) ? info.subresource : ''
}

function verbOf(info: RequestInfo): string {
  if (info.kind === 'resource' && (isConnecting(info) || info.rest !== undefined)) return 'CONNECT'
  return Object.hasOwn(VERBS, info.verb) ? VERBS[info.verb]! : 'other'
}

function scopeOf(info: RequestInfo): string {
  if (info.kind === 'path') return ''
  return info.name !== '' ? 'resource' : info.namespace !== '' ? 'namespace' : 'cluster'
}

/** Watches, followed logs and joined connections last as long as their clients want. */
function isLong(info: RequestInfo): boolean {
  return info.kind === 'resource' && (info.verb === 'watch' || info.subresource === 'log' || isConnecting(info))
}

/** What was asked of the API server and how long it took, by kinds of requests of which there are only so many. */
export class RequestCounts {
  readonly #byDefinition = new Map<ResourceDefinition | undefined, Map<string, Route>>()
  readonly #routes: Route[] = []
  readonly #others = new Route({ verb: 'other', group: '', version: '', resource: '', subresource: '', scope: '' })

  record(definition: ResourceDefinition | undefined, info: RequestInfo, status: number, durationMs: number): void {
    const route = this.#route(definition, info)
    route.codes[PLACES[status] ?? CODES.length]! += 1
    if (isLong(info)) return
    const seconds = durationMs / 1000
    let place = 0
    while (place < BOUNDS.length && seconds > BOUNDS[place]!) place += 1
    route.buckets[place]! += 1
    route.seconds += seconds
  }

  *totals(): Generator<MetricSample> {
    for (const { labels, codes } of this.#all())
      for (const [place, value] of codes.entries())
        if (value > 0) yield { labels: { ...labels, code: String(CODES[place] ?? 'other') }, value }
  }

  *durations(name: string): Generator<MetricSample> {
    for (const { labels, buckets, seconds } of this.#all()) {
      let total = 0
      for (const count of buckets) total += count
      if (total === 0) continue
      let sum = 0
      for (const [place, count] of buckets.entries()) {
        sum += count
        const le = place < BOUNDS.length ? String(BOUNDS[place]) : '+Inf'
        yield { metricName: `${name}_bucket`, labels: { ...labels, le }, value: sum }
      }
      yield { metricName: `${name}_sum`, labels, value: seconds }
      yield { metricName: `${name}_count`, labels, value: total }
    }
  }

  #all(): readonly Route[] {
    return [...this.#routes, this.#others]
  }

  #route(definition: ResourceDefinition | undefined, info: RequestInfo): Route {
    let routes = this.#byDefinition.get(definition)
    if (routes === undefined) {
      routes = new Map()
      this.#byDefinition.set(definition, routes)
    }
    // Not bounded by itself, hence only looked up by it: what is made of it below is.
    const { verb } = info
    const key =
      info.kind === 'path'
        ? `${verb}${subresourceOf(undefined, info)}`
        : info.name !== ''
          ? `${verb} r ${info.subresource}`
          : info.namespace !== ''
            ? `${verb} n`
            : verb
    return routes.get(key) ?? this.#begin(routes, key, definition, info)
  }

  #begin(
    routes: Map<string, Route>,
    key: string,
    definition: ResourceDefinition | undefined,
    info: RequestInfo,
  ): Route {
    const { group = '', version = '', resource = '' } = (info as Partial<ResourceInfo>) ?? {}
    const known = definition === undefined ? { group: '', version: '', resource: '' } : { group, version, resource }
    const subresource = subresourceOf(definition, info)
    const isKnown = verbOf(info) !== 'other' && (info.kind === 'path' || info.subresource === subresource)
    if (!isKnown || this.#routes.length >= ROUTES_MAX) return this.#others
    const route = new Route({ verb: verbOf(info), ...known, subresource, scope: scopeOf(info) })
    routes.set(key, route)
    this.#routes.push(route)
    return route
  }
}
