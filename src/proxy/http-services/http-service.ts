import { isDeepStrictEqual } from 'node:util'
import type { Engine } from '../l7/engine/engine.ts'
import type { Route } from '../l7/engine/route.ts'
import type { EndpointOptions, Upstream } from '../l7/engine/upstream.ts'
import type { UpstreamEndpoint } from '../l7/engine/upstream-endpoint.ts'
import { BYTES_IN, BYTES_OUT, OTHERS, RequestSeries, UpstreamMetrics } from '../l7/metrics/upstream-metrics.ts'
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

/** Of one endpoint at this moment. */
export interface HttpEndpoint {
  readonly inFlight: number
  readonly openConnections: number
  readonly idleConnections: number
  /** All there have been. */
  readonly connections: number
  /** Nothing is sent there until then; monotonic. */
  readonly ejectedUntilMs: number
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
  /** What was counted of endpoints that are told of no longer, so that the port's own totals never fall. */
  readonly gone = new RequestSeries(ROUTE, '')
  readonly #context: HttpServiceContext
  readonly #scopes = new Map<string, Scope>()
  /** Names of pods by the names of their endpoints, those of gone ones as long as their counts are told. */
  readonly #pods = new Map<string, string>()
  readonly #goneSinceMs = new Map<string, number>()
  /** Connections to endpoints that scopes have let go of, by the endpoint's name. */
  readonly #openedBefore = new Map<string, number>()
  #settings: HttpServiceSettings | undefined

  constructor(name: string, context: HttpServiceContext) {
    this.name = name
    this.metrics = new UpstreamMetrics(name)
    this.#context = context
  }

  get upstreams(): readonly Upstream[] {
    return [...this.#scopes.values()].map(({ upstream }) => upstream)
  }

  /** Of all requests so far. */
  get receivedBytes(): number {
    return this.#total(BYTES_IN)
  }

  get sentBytes(): number {
    return this.#total(BYTES_OUT)
  }

  /** Of an endpoint, also of one that is gone as long as its counts are told; '': it is not known. */
  pod(endpoint: string): string {
    return this.#pods.get(endpoint) ?? ''
  }

  /** What goes on at each endpoint that may be chosen now, all scopes together. */
  endpoints(): ReadonlyMap<string, HttpEndpoint> {
    const found = new Map<string, HttpEndpoint>()
    for (const { upstream } of this.#scopes.values()) {
      for (const { balanced, connections, idleConnections, opened } of upstream.endpoints()) {
        const { name, inFlight, ejectedUntilMs } = balanced
        const known = found.get(name)
        found.set(name, {
          inFlight: inFlight + (known?.inFlight ?? 0),
          openConnections: connections + (known?.openConnections ?? 0),
          idleConnections: idleConnections + (known?.idleConnections ?? 0),
          connections: opened + (known?.connections ?? this.#openedBefore.get(name) ?? 0),
          ejectedUntilMs: Math.max(ejectedUntilMs, known?.ejectedUntilMs ?? Number.NEGATIVE_INFINITY),
        })
      }
    }
    return found
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
    this.#renew([...wanted.values()].flat())
    for (const [scope, endpoints] of wanted) this.#setScope(scope, endpoints)
    for (const scope of this.#scopes.keys()) if (!wanted.has(scope)) this.#dropScope(scope)
    this.#noteGone(wanted)
  }

  /** Nothing leads here any more. */
  retire(): void {
    for (const scope of this.#scopes.keys()) this.#dropScope(scope)
  }

  /** Endpoints that have been gone for long are told of no longer. */
  forgetGone(): void {
    const nowMs = this.#context.engine.context.clock.monotonic()
    for (const [endpoint, sinceMs] of this.#goneSinceMs) if (nowMs - sinceMs >= GONE_KEPT_MS) this.#forget(endpoint)
  }

  #total(place: number): number {
    let sum = this.gone.counts[place]!
    for (const { counts } of this.metrics.allSeries()) sum += counts[place]!
    return sum
  }

  #forget(endpoint: string): void {
    this.#goneSinceMs.delete(endpoint)
    this.#pods.delete(endpoint)
    this.#openedBefore.delete(endpoint)
    const { counts, buckets } = this.gone
    for (const series of this.metrics.take(endpoint)) {
      for (let i = 0; i < counts.length; i++) counts[i]! += series.counts[i]!
      for (let i = 0; i < buckets.length; i++) buckets[i]! += series.buckets[i]!
    }
  }

  /** Where another pod has the address of an earlier one, nothing of that one is said of it. */
  #renew(endpoints: readonly Endpoint[]): void {
    const renewed = new Set<string>()
    for (const { address, port, pod } of endpoints) {
      const name = `${address}:${port}`
      const before = this.#pods.get(name)
      if (before !== undefined && before !== pod) renewed.add(name)
    }
    if (renewed.size > 0) {
      for (const { upstream } of this.#scopes.values()) {
        const kept = [...upstream.endpoints()].filter(({ balanced }) => !renewed.has(balanced.name))
        this.#replace(upstream, kept)
      }
      for (const endpoint of renewed) this.#forget(endpoint)
    }
    for (const { address, port, pod } of endpoints) if (pod !== undefined) this.#pods.set(`${address}:${port}`, pod)
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
    const { engine, connectionsMax, isOwnPort } = this.#context
    const usable = endpoints.filter((endpoint) => !isOwnPort(endpoint))
    if (scope !== undefined) {
      scope.endpoints = endpoints
      this.#replace(scope.upstream, usable)
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

  #replace(upstream: Upstream, endpoints: readonly EndpointOptions[]): void {
    const before = [...upstream.endpoints()]
    if (isSame(before, endpoints)) return
    upstream.replace(endpoints.map(({ address, port }) => ({ address, port })))
    const left = new Set(upstream.endpoints())
    for (const endpoint of before) if (!left.has(endpoint)) this.#retire(endpoint)
  }

  #retire(endpoint: UpstreamEndpoint): void {
    const { name } = endpoint.balanced
    this.#openedBefore.set(name, (this.#openedBefore.get(name) ?? 0) + endpoint.opened)
    this.#context.onRetired(endpoint)
  }

  #dropScope(name: string): void {
    const { upstream } = this.#scopes.get(name)!
    this.#scopes.delete(name)
    for (const endpoint of upstream.endpoints()) this.#retire(endpoint)
    this.#context.engine.retireUpstream(upstream)
  }

  #noteGone(wanted: ReadonlyMap<string, readonly Endpoint[]>): void {
    const there = new Set([...wanted.values()].flat().map(({ address, port }) => `${address}:${port}`))
    for (const endpoint of there) this.#goneSinceMs.delete(endpoint)
    const nowMs = this.#context.engine.context.clock.monotonic()
    const told = [...this.metrics.allSeries()].map(({ endpoint }) => endpoint)
    for (const endpoint of [...told, ...this.#pods.keys(), ...this.#openedBefore.keys()]) {
      const isGone = !there.has(endpoint) && endpoint !== OTHERS
      if (isGone && !this.#goneSinceMs.has(endpoint)) this.#goneSinceMs.set(endpoint, nowMs)
    }
    this.forgetGone()
  }
}

function isSame(before: readonly UpstreamEndpoint[], next: readonly EndpointOptions[]): boolean {
  if (before.length !== next.length) return false
  const names = new Set(before.map(({ balanced }) => balanced.name))
  return next.every(({ address, port }) => names.has(`${address}:${port}`))
}
