import { isDeepStrictEqual } from 'node:util'
import type { Engine } from '../l7/engine/engine.ts'
import type { Route } from '../l7/engine/route.ts'
import type { Upstream } from '../l7/engine/upstream.ts'
import type { UpstreamEndpoint } from '../l7/engine/upstream-endpoint.ts'
import {
  LATENCY_BOUNDS_MS,
  LATENCY_SUM_MS,
  type RequestSeries,
  UpstreamMetrics,
} from '../l7/metrics/upstream-metrics.ts'
import type { Endpoint, Listener } from '../table/routing-table.ts'
import { type HttpServiceSettings, upstreamOptions } from './upstream-options.ts'

/** Of all nodes; other scopes are called as their node. */
export const EVERYWHERE = ''
/** The only one, until routes come as resources. */
const ROUTE = 'default'
/** How long the counts of an endpoint that is gone are still told, so that every scraper has seen the last of them. */
const GONE_KEPT_MS = 5 * 60_000

interface Scope {
  /** As the table gave them. */
  endpoints: readonly Endpoint[]
  readonly upstream: Upstream
  readonly route: Route
}

export interface HttpServiceContext {
  readonly engine: Engine
  readonly connectionsMax: number
  /** Whether the data plane itself listens there: a request to it would go in circles. */
  isOwnPort(endpoint: Endpoint): boolean
  /** It gets no further request from this Service port. */
  onRetired(endpoint: UpstreamEndpoint): void
}

/**
 * One Service port whose requests are balanced: the sets of endpoints that its clients may reach ("scopes": all, or
 * those of one node where traffic stays local), each an upstream of the engine with what is remembered of its
 * endpoints. Counts belong to the port, whatever scopes come and go.
 */
export class HttpService {
  /** `namespace/name:port name` */
  readonly name: string
  readonly metrics: UpstreamMetrics
  /** Keys of the listeners that lead here. */
  readonly listeners = new Set<string>()
  /** Times that an endpoint was taken out for its failures. */
  ejections = 0
  /** Latencies of endpoints that are told of no longer, so that the port's own histogram never falls. */
  readonly goneBuckets = new Float64Array(LATENCY_BOUNDS_MS.length + 1)
  goneLatencyMs = 0
  readonly #context: HttpServiceContext
  readonly #scopes = new Map<string, Scope>()
  /** Names of pods by the names of their endpoints, those of gone ones as long as their counts are told. */
  readonly #pods = new Map<string, string>()
  readonly #goneSinceMs = new Map<string, number>()
  #settings: HttpServiceSettings | undefined

  constructor(name: string, context: HttpServiceContext) {
    this.name = name
    this.metrics = new UpstreamMetrics(name)
    this.#context = context
  }

  get upstreams(): readonly Upstream[] {
    return [...this.#scopes.values()].map(({ upstream }) => upstream)
  }

  pod(endpoint: string): string {
    return this.#pods.get(endpoint) ?? ''
  }

  /** Some endpoint may be one of the data plane's own ports, depending on which there are. */
  leadsTo(addresses: ReadonlySet<string>): boolean {
    for (const { endpoints } of this.#scopes.values())
      if (endpoints.some(({ address }) => addresses.has(address))) return true
    return false
  }

  /** Where requests of a scope's clients go; undefined: there is no such scope. */
  route(scope: string): Route | undefined {
    return this.#scopes.get(scope)?.route
  }

  /** Its endpoints are to be as these listeners say, which are all that lead here. */
  settle(listeners: readonly Listener[]): void {
    const wanted = new Map<string, readonly Endpoint[]>()
    for (const { localTo, endpoints, endpointsByNode } of listeners) {
      wanted.set(localTo ?? EVERYWHERE, endpoints)
      for (const [node, local] of endpointsByNode ?? []) wanted.set(node, local)
    }
    this.#setSettings(listeners[0])
    for (const [scope, endpoints] of wanted) this.#setScope(scope, endpoints)
    for (const scope of this.#scopes.keys()) if (!wanted.has(scope)) this.#dropScope(scope)
    this.#noteGone(wanted)
  }

  /** Nothing leads here any more. */
  retire(): void {
    for (const scope of this.#scopes.keys()) this.#dropScope(scope)
  }

  /** Series of endpoints that have been gone for long are told no longer. */
  forgetGone(): void {
    const nowMs = this.#context.engine.context.clock.monotonic()
    for (const [endpoint, sinceMs] of this.#goneSinceMs) {
      if (nowMs - sinceMs < GONE_KEPT_MS) continue
      this.#goneSinceMs.delete(endpoint)
      this.#pods.delete(endpoint)
      for (const series of this.metrics.take(endpoint)) this.#keepLatencies(series)
    }
  }

  #keepLatencies({ buckets, counts }: RequestSeries): void {
    for (let i = 0; i < buckets.length; i++) this.goneBuckets[i]! += buckets[i]!
    this.goneLatencyMs += counts[LATENCY_SUM_MS]!
  }

  /** All listeners of a Service port say the same. */
  #setSettings(listener: Listener | undefined): void {
    if (listener?.http === undefined) return
    const next: HttpServiceSettings = { options: listener.http, affinityMs: listener.affinityMs }
    if (isDeepStrictEqual(next, this.#settings)) return
    this.#settings = next
    // What is known of endpoints was learnt under other settings; what is counted goes on.
    for (const scope of this.#scopes.keys()) this.#dropScope(scope)
  }

  #setScope(name: string, endpoints: readonly Endpoint[]): void {
    const scope = this.#scopes.get(name)
    const { engine, connectionsMax, isOwnPort, onRetired } = this.#context
    const usable = endpoints.filter((endpoint) => !isOwnPort(endpoint))
    for (const { address, port, pod } of usable) if (pod !== undefined) this.#pods.set(`${address}:${port}`, pod)
    if (scope !== undefined) {
      scope.endpoints = endpoints
      const { upstream } = scope
      const before = [...upstream.endpoints()]
      if (isSame(before, usable)) return
      upstream.replace(usable)
      const left = new Set(upstream.endpoints())
      for (const endpoint of before) if (!left.has(endpoint)) onRetired(endpoint)
      return
    }
    const upstream = engine.createUpstream(
      upstreamOptions(this.#settings!, {
        name: this.name,
        endpoints: usable,
        metrics: this.metrics,
        random: engine.context.random,
        connectionsMax,
        onEjected: (count) => {
          this.ejections += count
        },
      }),
    )
    this.#scopes.set(name, { endpoints, upstream, route: { id: 0, name: ROUTE, upstream } })
  }

  #dropScope(name: string): void {
    const { upstream } = this.#scopes.get(name)!
    this.#scopes.delete(name)
    for (const endpoint of upstream.endpoints()) this.#context.onRetired(endpoint)
    this.#context.engine.retireUpstream(upstream)
  }

  #noteGone(wanted: ReadonlyMap<string, readonly Endpoint[]>): void {
    const there = new Set([...wanted.values()].flat().map(({ address, port }) => `${address}:${port}`))
    const nowMs = this.#context.engine.context.clock.monotonic()
    for (const { endpoint } of this.metrics.allSeries()) {
      if (there.has(endpoint)) this.#goneSinceMs.delete(endpoint)
      else if (!this.#goneSinceMs.has(endpoint)) this.#goneSinceMs.set(endpoint, nowMs)
    }
    for (const endpoint of this.#pods.keys())
      if (!there.has(endpoint) && !this.#goneSinceMs.has(endpoint)) this.#goneSinceMs.set(endpoint, nowMs)
  }
}

function isSame(before: readonly UpstreamEndpoint[], next: readonly Endpoint[]): boolean {
  if (before.length !== next.length) return false
  const names = new Set(before.map(({ balanced }) => balanced.name))
  return next.every(({ address, port }) => names.has(`${address}:${port}`))
}
