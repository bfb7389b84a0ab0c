import type { BalancedEndpoint } from '../../balance/balanced-endpoint.ts'
import { type CircuitBreaker, CONNECTIONS } from '../../resilience/circuit-breaker.ts'
import { Http2Pool, type Http2PoolOwner } from '../http2/http2-pool.ts'
import type { RequestSeries, UpstreamMetrics } from '../metrics/upstream-metrics.ts'
import type { EngineContext } from './engine-context.ts'
import type { RequestCarrier } from './request-carrier.ts'
import { SharingRule } from './sharing-rule.ts'
import { type ConnectionOwner, UpstreamConnection } from './upstream-connection.ts'
import type { ConnectionTimeouts } from './upstream-timeouts.ts'
import type { UpstreamTransport } from './upstream-transport.ts'

/** What a route must say to be counted. `id`: small and dense, one for each route of an engine. */
export interface Route {
  readonly id: number
  readonly name: string
  readonly upstream: { readonly metrics: UpstreamMetrics }
}

/**
 * One endpoint's connections: idle ones, the latest used first; shared ones, filled one after another, as
 * deep as `SharingRule` says.
 */
export class UpstreamEndpoint implements ConnectionOwner, Http2PoolOwner {
  readonly balanced: BalancedEndpoint
  readonly address: string
  readonly port: number
  readonly sharing: SharingRule
  readonly timeouts: ConnectionTimeouts
  readonly transport: UpstreamTransport
  /** Connections that there have been. */
  opened = 0
  readonly #context: EngineContext
  readonly #breaker: CircuitBreaker
  readonly #all = new Set<UpstreamConnection>()
  readonly #idle: UpstreamConnection[] = []
  readonly #shared: UpstreamConnection[] = []
  /** undefined: HTTP/1.1 is spoken. */
  readonly #http2: Http2Pool | undefined
  #isDraining = false
  readonly #watch: StallWatch
  readonly #series: (RequestSeries | undefined)[] = []

  constructor(
    context: EngineContext,
    balanced: BalancedEndpoint,
    breaker: CircuitBreaker,
    watch: StallWatch,
    timeouts: ConnectionTimeouts,
    transport: UpstreamTransport,
  ) {
    this.#context = context
    this.balanced = balanced
    this.address = balanced.address
    this.port = balanced.port
    this.#breaker = breaker
    this.#watch = watch
    this.timeouts = timeouts
    this.transport = transport
    this.sharing = new SharingRule(context.settings.pipelining)
    this.#http2 = transport.protocol === 'http1' ? undefined : new Http2Pool(context, this)
  }

  /** Where its requests of one route are counted. */
  series(route: Route): RequestSeries {
    const known = this.#series[route.id]
    if (known !== undefined) return known
    const series = route.upstream.metrics.series(route.name, this.balanced.name)
    this.#series[route.id] = series
    return series
  }

  get connections(): number {
    return this.#all.size + (this.#http2?.connections ?? 0)
  }

  get idleConnections(): number {
    return this.#idle.length + (this.#http2?.idleConnections ?? 0)
  }

  /** Something to send a request on; undefined: there may be no more connections. */
  acquire(mayShare: boolean, nowMs: number): RequestCarrier | undefined {
    if (this.#http2 !== undefined && !this.#http2.isHttp1) return this.#http2.acquire(nowMs)
    const { depth } = this.sharing
    if (!mayShare || depth === 1) return this.#takeAlone(nowMs)
    const shared = this.#shared
    for (let i = 0; i < shared.length; i++) {
      const connection = shared[i]!
      if (connection.count >= depth || !connection.isUsable) continue
      this.#watch.add(connection)
      return connection
    }
    const connection = this.#takeAlone(nowMs)
    if (connection === undefined) return undefined
    connection.isShared = true
    shared.push(connection)
    return connection
  }

  /** A new connection that begins with `preface` and is used by whoever asked for it only. */
  acquireOwn(preface: Uint8Array, nowMs: number): UpstreamConnection | undefined {
    return this.#open(preface, nowMs)
  }

  /** No new requests; connections close after what they are about. */
  drain(): void {
    this.#isDraining = true
    for (const connection of this.#all) connection.close()
    this.#http2?.drain()
  }

  destroy(): void {
    this.#isDraining = true
    for (const connection of this.#all) connection.destroy()
    this.#http2?.destroy()
  }

  becameIdle(connection: UpstreamConnection): void {
    this.#unshare(connection)
    if (this.#isDraining || !connection.isUsable) connection.destroy()
    else if (!connection.isDedicated) this.#idle.push(connection)
  }

  closed(connection: UpstreamConnection): void {
    this.#all.delete(connection)
    this.#breaker.release(CONNECTIONS)
    this.#unshare(connection)
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
  }

  mayOpen(): boolean {
    if (this.#isDraining || !this.#breaker.acquire(CONNECTIONS)) return false
    this.opened++
    return true
  }

  connectionGone(): void {
    this.#breaker.release(CONNECTIONS)
  }

  answered(latencyMs: number, nowMs: number): void {
    this.sharing.answered(latencyMs, nowMs)
  }

  get stallAfterMs(): number {
    return this.sharing.stallAfterMs
  }

  stalled(nowMs: number): void {
    this.sharing.stalled(nowMs)
  }

  #takeAlone(nowMs: number): UpstreamConnection | undefined {
    for (;;) {
      const connection = this.#idle.pop()
      if (connection === undefined) break
      if (connection.isUsable && nowMs < connection.deadlineMs) return connection
      connection.destroy()
    }
    return this.#open(undefined, nowMs)
  }

  #open(preface: Uint8Array | undefined, nowMs: number): UpstreamConnection | undefined {
    if (!this.#breaker.acquire(CONNECTIONS)) return undefined
    const connection = new UpstreamConnection(this.#context, this, preface, nowMs)
    this.opened++
    this.#all.add(connection)
    return connection
  }

  #unshare(connection: UpstreamConnection): void {
    if (!connection.isShared) return
    connection.isShared = false
    const at = this.#shared.indexOf(connection)
    if (at !== -1) this.#shared.splice(at, 1)
    this.#watch.delete(connection)
  }
}

/** Looks after connections on which requests wait behind others. */
export interface StallWatch {
  add(connection: UpstreamConnection): void
  delete(connection: UpstreamConnection): void
}
