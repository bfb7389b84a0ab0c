export interface CircuitLimits {
  /** Connections to all of a service's endpoints. Default 1,024 (Envoy's; `Upstream` has defaults of its own). */
  readonly connections?: number
  /** Requests that wait for a connection. Default 1,024. */
  readonly pending?: number
  /** Requests under way, waiting ones not counted. Default 1,024. */
  readonly requests?: number
  /** Retries under way that are always allowed. Default 3. */
  readonly retries?: number
  /** And as many as this part of the requests under way and waiting. Default 0.2; 0: `retries` is the limit. */
  readonly retryShare?: number
}

/** Places in a `CircuitBreaker`'s counts. */
export const CONNECTIONS = 0
export const PENDING = 1
export const REQUESTS = 2
export const RETRIES = 3
export type CircuitKind = typeof CONNECTIONS | typeof PENDING | typeof REQUESTS | typeof RETRIES

/**
 * Limits on what a service may have under way through this proxy (Envoy's circuit breakers and defaults): beyond them a
 * request is refused at once instead of joining a queue that the service will not get to. One per service.
 */
export class CircuitBreaker {
  readonly #limits: Float64Array
  readonly #retryShare: number
  readonly #counts = new Float64Array(4)
  readonly #refusals = new Float64Array(4)

  constructor(limits: CircuitLimits = {}) {
    const { connections = 1_024, pending = 1_024, requests = 1_024, retries = 3, retryShare = 0.2 } = limits
    this.#limits = Float64Array.of(connections, pending, requests, retries)
    this.#retryShare = retryShare
  }

  /** Whether one more would be within its limit. */
  hasRoom(kind: CircuitKind): boolean {
    return this.#counts[kind]! < this.limit(kind)
  }

  /** Counts one more if that is within its limit. Each `true` is to be followed by one `release`. */
  acquire(kind: CircuitKind): boolean {
    if (this.hasRoom(kind)) {
      this.#counts[kind]! += 1
      return true
    }
    this.#refusals[kind]! += 1
    return false
  }

  release(kind: CircuitKind): void {
    this.#counts[kind]! -= 1
  }

  count(kind: CircuitKind): number {
    return this.#counts[kind]!
  }

  /** How often `acquire` has said no. */
  refusals(kind: CircuitKind): number {
    return this.#refusals[kind]!
  }

  limit(kind: CircuitKind): number {
    const limit = this.#limits[kind]!
    if (kind !== RETRIES) return limit
    return Math.max(limit, Math.floor(this.#retryShare * (this.#counts[REQUESTS]! + this.#counts[PENDING]!)))
  }
}
