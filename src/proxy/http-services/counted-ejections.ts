import type { BalancedEndpoint } from '../balance/balanced-endpoint.ts'
import type { HealthPolicy } from '../balance/health-policy.ts'
import type { Outcome } from '../balance/outcome.ts'

/** Counts how often a policy takes an endpoint out. */
export class CountedEjections implements HealthPolicy {
  readonly #policy: HealthPolicy
  readonly #onEjected: (count: number) => void

  constructor(policy: HealthPolicy, onEjected: (count: number) => void) {
    this.#policy = policy
    this.#onEjected = onEjected
  }

  started(endpoint: BalancedEndpoint, nowMs: number): boolean {
    return this.#policy.started(endpoint, nowMs)
  }

  finished(endpoint: BalancedEndpoint, all: readonly BalancedEndpoint[], nowMs: number, outcome: Outcome): boolean {
    const wasOut = endpoint.ejectedUntilMs > nowMs
    const changed = this.#policy.finished(endpoint, all, nowMs, outcome)
    if (changed && !wasOut && endpoint.ejectedUntilMs > nowMs) this.#onEjected(1)
    return changed
  }

  sweep(all: readonly BalancedEndpoint[], nowMs: number): boolean {
    const before = countOut(all, nowMs)
    const changed = this.#policy.sweep(all, nowMs)
    const more = changed ? countOut(all, nowMs) - before : 0
    if (more > 0) this.#onEjected(more)
    return changed
  }

  nextSweepAtMs(): number {
    return this.#policy.nextSweepAtMs()
  }
}

function countOut(all: readonly BalancedEndpoint[], nowMs: number): number {
  let out = 0
  for (const { ejectedUntilMs } of all) if (ejectedUntilMs > nowMs) out += 1
  return out
}
