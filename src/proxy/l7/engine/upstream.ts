import { ALGORITHMS, type Algorithm, DEFAULT_ALGORITHM, usesKey } from '../../balance/algorithms.ts'
import { BalancedEndpoint, type BalancedEndpointOptions } from '../../balance/balanced-endpoint.ts'
import type { Balancer } from '../../balance/balancer.ts'
import { EndpointGroup } from '../../balance/endpoint-group.ts'
import type { HealthPolicy } from '../../balance/health-policy.ts'
import type { SlowStart } from '../../balance/slow-start.ts'
import { CircuitBreaker, type CircuitLimits } from '../../resilience/circuit-breaker.ts'
import { OutlierDetection } from '../../resilience/outlier-detection.ts'
import { RetryBudget, type RetryBudgetOptions } from '../../resilience/retry-budget.ts'
import type { RetryPolicy } from '../../resilience/retry-rule.ts'
import { UpstreamMetrics } from '../metrics/upstream-metrics.ts'
import type { ProxyProtocolVersion } from '../proxy-protocol/write-proxy-header.ts'
import type { UpstreamTlsOptions } from '../tls/tls-options.ts'
import type { EngineContext } from './engine-context.ts'
import { type KeySource, RequestKey } from './request-key.ts'
import { type AffinityOptions, SessionAffinity } from './session-affinity.ts'
import { TimedStallWatch } from './stall-watch.ts'
import { UpstreamEndpoint } from './upstream-endpoint.ts'
import { type ConnectionTimeouts, type UpstreamTimeouts, upstreamTimeouts } from './upstream-timeouts.ts'
import { type UpstreamProtocol, type UpstreamTransport, upstreamTransport } from './upstream-transport.ts'

export interface EndpointOptions extends BalancedEndpointOptions {
  /** Its pod is ending: it gets new requests only when all others are ending too. */
  readonly terminating?: boolean
}

export interface UpstreamOptions {
  /** What it is called in metrics, such as `shop/cart:http`. */
  readonly name: string
  readonly endpoints: readonly EndpointOptions[]
  /** Default: of two drawn at random the better one by peak-EWMA. */
  readonly algorithm?: Algorithm
  /** In place of `algorithm`: one that is set up otherwise than by its defaults. */
  readonly createBalancer?: () => Balancer
  /** What the hashing algorithms go by; the others do not look at it. Default: the client's address. */
  readonly key?: KeySource
  /** Sessions stay with their endpoint as long as it takes requests. Default: none. */
  readonly affinity?: AffinityOptions
  /** For endpoints that come later than the first ones. Default: none. */
  readonly slowStart?: SlowStart
  /** The proxy's own zone, when endpoints in it are to be preferred. Default: none. */
  readonly zone?: string
  /** Part of the endpoints, 0 to 1, below which ejections are ignored. Default 0.5. */
  readonly panicThreshold?: number
  /** Default: those of the engine's settings. */
  readonly timeouts?: Partial<UpstreamTimeouts>
  readonly budget?: RetryBudgetOptions
  /** Counts that go on, of an upstream in whose place this one comes. */
  readonly metrics?: UpstreamMetrics
  readonly circuit?: CircuitLimits
  readonly retry?: RetryPolicy
  /** Default: Envoy's outlier detection. */
  readonly health?: HealthPolicy
  /** Each connection begins with a PROXY protocol header and carries requests of that one client's connection only. */
  readonly proxyProtocol?: ProxyProtocolVersion
  /** Connections are encrypted. */
  readonly tls?: UpstreamTlsOptions
  /** What endpoints speak. Default `http1`. */
  readonly protocol?: UpstreamProtocol
}

/** One process carries no more; a service that can carry less says so. `../config/README.md` says why not Envoy's. */
const CIRCUIT: CircuitLimits = { connections: 8_192, pending: 8_192, requests: 16_384, retries: 3 }

/** A set of endpoints that requests are balanced over, with all that is remembered of it. */
export class Upstream {
  readonly name: string
  readonly group: EndpointGroup
  readonly breaker: CircuitBreaker
  readonly budget: RetryBudget
  readonly retryPolicy: RetryPolicy
  /** Answers that are not taken for the answer while there may be another try. */
  readonly retryStatuses: readonly number[]
  readonly metrics: UpstreamMetrics
  readonly timeouts: ConnectionTimeouts
  readonly transport: UpstreamTransport
  /** undefined: the algorithm does not look at keys. */
  readonly key: RequestKey | undefined
  readonly affinity: SessionAffinity | undefined
  readonly #context: EngineContext
  readonly #endpoints = new Map<BalancedEndpoint, UpstreamEndpoint>()
  readonly #watch: TimedStallWatch
  readonly #hasSlowStart: boolean
  #hasEndpoints = false

  constructor(context: EngineContext, options: UpstreamOptions) {
    const { random } = context
    this.#context = context
    this.name = options.name
    const algorithm = options.algorithm ?? DEFAULT_ALGORITHM
    const { slowStart, zone, panicThreshold } = options
    this.group = new EndpointGroup({
      createBalancer: options.createBalancer ?? (() => ALGORITHMS[algorithm](random)),
      random,
      ...(slowStart === undefined ? {} : { slowStart }),
      ...(zone === undefined ? {} : { zone }),
      ...(panicThreshold === undefined ? {} : { panicThreshold }),
      health: options.health ?? new OutlierDetection(),
    })
    this.breaker = new CircuitBreaker({ ...CIRCUIT, ...options.circuit })
    this.budget = new RetryBudget(options.budget)
    this.retryPolicy = options.retry ?? {}
    this.retryStatuses = this.retryPolicy.statuses ?? []
    this.metrics = options.metrics ?? new UpstreamMetrics(options.name)
    this.timeouts = upstreamTimeouts(options.timeouts ?? {}, context.settings, options.retry?.perTryMs)
    this.transport = upstreamTransport(options.proxyProtocol, options.tls, options.protocol)
    const hashes = options.key !== undefined || (options.createBalancer === undefined && usesKey(algorithm))
    this.key = hashes ? new RequestKey(options.key ?? { from: 'address' }, random) : undefined
    this.affinity = options.affinity === undefined ? undefined : new SessionAffinity(options.affinity)
    this.#hasSlowStart = slowStart !== undefined
    this.#watch = new TimedStallWatch(context.clock, context.settings.pipelining.stallMs)
    this.replace(options.endpoints)
  }

  /**
   * Sets the endpoints. Those that stay keep their connections; those that go finish what they are about. Those that come
   * later than the first ones have become ready just now, if they do not say otherwise.
   */
  replace(next: readonly EndpointOptions[]): void {
    const readySinceMs =
      this.#hasSlowStart && this.#hasEndpoints ? this.#context.clock.monotonic() : Number.NEGATIVE_INFINITY
    this.#hasEndpoints ||= next.length > 0
    const known = new Map([...this.#endpoints.keys()].map((endpoint) => [endpoint.name, endpoint]))
    const balanced = next.map((options) => {
      const old = known.get(`${options.address}:${options.port}`)
      const endpoint = old ?? new BalancedEndpoint({ readySinceMs, ...options })
      endpoint.weight = options.weight ?? 1
      endpoint.zone = options.zone
      endpoint.terminating = options.terminating === true
      known.delete(endpoint.name)
      return endpoint
    })
    for (const gone of known.values()) {
      this.#endpoints.get(gone)?.drain()
      this.#endpoints.delete(gone)
    }
    for (const endpoint of balanced) {
      if (this.#endpoints.has(endpoint)) continue
      this.#endpoints.set(
        endpoint,
        new UpstreamEndpoint(this.#context, endpoint, this.breaker, this.#watch, this.timeouts, this.transport),
      )
    }
    this.group.replace(balanced)
  }

  /** undefined: there is none. */
  pick(key: number, nowMs: number): UpstreamEndpoint | undefined {
    const endpoint = this.group.pick(key, nowMs)
    return endpoint === undefined ? undefined : this.#endpoints.get(endpoint)
  }

  /** The endpoint of a session, where it may still be chosen. */
  pickStuck(endpoint: BalancedEndpoint, nowMs: number): UpstreamEndpoint | undefined {
    return this.group.isEligible(endpoint, nowMs) ? this.#endpoints.get(endpoint) : undefined
  }

  pickOther(tried: readonly BalancedEndpoint[], key: number, nowMs: number): UpstreamEndpoint | undefined {
    const endpoint = this.group.pickOther(tried, key, nowMs)
    return endpoint === undefined ? undefined : this.#endpoints.get(endpoint)
  }

  /** Connections close when they have nothing more to do. */
  drain(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.drain()
  }

  /** Ends all connections at once. */
  destroy(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.destroy()
    this.#watch.stop()
  }

  endpoints(): Iterable<UpstreamEndpoint> {
    return this.#endpoints.values()
  }
}
