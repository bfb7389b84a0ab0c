import { BalancedEndpoint, type BalancedEndpointOptions } from '../../balance/balanced-endpoint.ts'
import type { Balancer } from '../../balance/balancer.ts'
import { EndpointGroup } from '../../balance/endpoint-group.ts'
import type { HealthPolicy } from '../../balance/health-policy.ts'
import { p2cPeakEwma } from '../../balance/p2c-peak-ewma.ts'
import { CircuitBreaker, type CircuitLimits } from '../../resilience/circuit-breaker.ts'
import { OutlierDetection } from '../../resilience/outlier-detection.ts'
import { RetryBudget } from '../../resilience/retry-budget.ts'
import type { RetryPolicy } from '../../resilience/retry-rule.ts'
import { UpstreamMetrics } from '../metrics/upstream-metrics.ts'
import type { EngineContext } from './engine-context.ts'
import { TimedStallWatch } from './stall-watch.ts'
import { UpstreamEndpoint } from './upstream-endpoint.ts'

export interface EndpointOptions extends BalancedEndpointOptions {
  /** Its pod is ending: it gets new requests only when all others are ending too. */
  readonly terminating?: boolean
}

export interface UpstreamOptions {
  /** What it is called in metrics, such as `shop/cart:http`. */
  readonly name: string
  readonly endpoints: readonly EndpointOptions[]
  /** Default: of two drawn at random the better one by peak-EWMA. */
  readonly createBalancer?: () => Balancer
  readonly circuit?: CircuitLimits
  readonly retry?: RetryPolicy
  /** Default: Envoy's outlier detection. */
  readonly health?: HealthPolicy
}

/** One process carries no more; a service that can carry less says so. */
const CIRCUIT: CircuitLimits = { connections: 8_192, pending: 8_192, requests: 16_384, retries: 3 }

/** A set of endpoints that requests are balanced over, with all that is remembered of it. */
export class Upstream {
  readonly name: string
  readonly group: EndpointGroup
  readonly breaker: CircuitBreaker
  readonly budget: RetryBudget
  readonly retryPolicy: RetryPolicy
  readonly metrics: UpstreamMetrics
  readonly #context: EngineContext
  readonly #endpoints = new Map<BalancedEndpoint, UpstreamEndpoint>()
  readonly #watch: TimedStallWatch

  constructor(context: EngineContext, options: UpstreamOptions) {
    const { random } = context
    this.#context = context
    this.name = options.name
    this.group = new EndpointGroup({
      createBalancer: options.createBalancer ?? (() => p2cPeakEwma({ random })),
      random,
      health: options.health ?? new OutlierDetection(),
    })
    this.breaker = new CircuitBreaker({ ...CIRCUIT, ...options.circuit })
    this.budget = new RetryBudget()
    this.retryPolicy = options.retry ?? {}
    this.metrics = new UpstreamMetrics(options.name)
    this.#watch = new TimedStallWatch(context.clock, context.settings.pipelining.stallMs)
    this.replace(options.endpoints)
  }

  /** Sets the endpoints. Those that stay keep their connections; those that go finish what they are about. */
  replace(next: readonly EndpointOptions[]): void {
    const known = new Map([...this.#endpoints.keys()].map((endpoint) => [endpoint.name, endpoint]))
    const balanced = next.map((options) => {
      const old = known.get(`${options.address}:${options.port}`)
      const endpoint = old ?? new BalancedEndpoint(options)
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
      this.#endpoints.set(endpoint, new UpstreamEndpoint(this.#context, endpoint, this.breaker, this.#watch))
    }
    this.group.replace(balanced)
  }

  /** undefined: there is none. */
  pick(key: number, nowMs: number): UpstreamEndpoint | undefined {
    const endpoint = this.group.pick(key, nowMs)
    return endpoint === undefined ? undefined : this.#endpoints.get(endpoint)
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
