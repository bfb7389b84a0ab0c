import type { UpstreamEndpoint } from '../l7/engine/upstream-endpoint.ts'

const SWEEP_AT_MIN = 1_000

/** Endpoints that get no further requests, by address, as long as they have requests under way. */
export class DrainingEndpoints {
  readonly #byAddress = new Map<string, Set<UpstreamEndpoint>>()
  #count = 0
  /** With so many those are looked for that nobody has asked for since they were done. */
  #sweepAt = SWEEP_AT_MIN

  add(endpoint: UpstreamEndpoint): void {
    if (endpoint.balanced.inFlight === 0) return
    if (this.#count >= this.#sweepAt) {
      for (const address of this.#byAddress.keys()) this.at(address)
      this.#sweepAt = Math.max(SWEEP_AT_MIN, this.#count * 2)
    }
    const there = this.#byAddress.get(endpoint.address)
    if (there === undefined) this.#byAddress.set(endpoint.address, new Set([endpoint]))
    else there.add(endpoint)
    this.#count += 1
  }

  /** Those at this address that have requests under way. */
  at(address: string): readonly UpstreamEndpoint[] {
    const there = this.#byAddress.get(address)
    if (there === undefined) return []
    for (const endpoint of there) {
      if (endpoint.balanced.inFlight > 0) continue
      there.delete(endpoint)
      this.#count -= 1
    }
    if (there.size === 0) this.#byAddress.delete(address)
    return [...there]
  }
}
