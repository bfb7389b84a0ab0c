import type { UpstreamEndpoint } from '../l7/engine/upstream-endpoint.ts'

/** Endpoints that get no further requests, by address, as long as they have requests under way. */
export class DrainingEndpoints {
  readonly #byAddress = new Map<string, Set<UpstreamEndpoint>>()

  add(endpoint: UpstreamEndpoint): void {
    if (endpoint.balanced.inFlight === 0) return
    const there = this.#byAddress.get(endpoint.address)
    if (there === undefined) this.#byAddress.set(endpoint.address, new Set([endpoint]))
    else there.add(endpoint)
  }

  /** Those at this address that have requests under way. */
  at(address: string): readonly UpstreamEndpoint[] {
    const there = this.#byAddress.get(address)
    if (there === undefined) return []
    for (const endpoint of there) if (endpoint.balanced.inFlight === 0) there.delete(endpoint)
    if (there.size === 0) this.#byAddress.delete(address)
    return [...there]
  }
}
