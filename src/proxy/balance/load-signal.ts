/** Latencies remembered for each number of requests in flight. */
const SAMPLES = 16
/** From here on numbers of requests in flight share what is remembered. */
const LEVELS = 256

/**
 * What a server knows about itself and answers to Prequal's probes: requests in flight, and the latency to expect with
 * so many, the median of the latest responses to requests that arrived when as many were in flight (NSDI '24 §4).
 * Constant memory (33 KB), nothing allocated per request.
 */
export class LoadSignal {
  readonly #latencies = new Float64Array(LEVELS * SAMPLES)
  readonly #counts = new Uint32Array(LEVELS)
  readonly #scratch = new Float64Array(SAMPLES)
  #inFlight = 0

  inFlight(): number {
    return this.#inFlight
  }

  /** A request came; what it returns goes with the request to `ended`. */
  arrived(): number {
    this.#inFlight += 1
    return this.#inFlight
  }

  ended(inFlightAtArrival: number, latencyMs: number): void {
    this.#inFlight -= 1
    const level = Math.min(inFlightAtArrival, LEVELS - 1)
    this.#latencies[level * SAMPLES + (this.#counts[level]! % SAMPLES)] = latencyMs
    this.#counts[level]! += 1
  }

  /** Expected for the next request; of the nearest number in flight that something is known of; NaN: of none. */
  latencyMs(): number {
    const level = Math.min(this.#inFlight + 1, LEVELS - 1)
    for (let distance = 0; distance < LEVELS; distance++) {
      if (level - distance >= 0 && this.#counts[level - distance]! > 0) return this.#median(level - distance)
      if (level + distance < LEVELS && this.#counts[level + distance]! > 0) return this.#median(level + distance)
    }
    return Number.NaN
  }

  #median(level: number): number {
    const known = Math.min(this.#counts[level]!, SAMPLES)
    const scratch = this.#scratch
    // Insertion sort: sixteen at most, without a view per call.
    for (let i = 0; i < known; i++) {
      const latency = this.#latencies[level * SAMPLES + i]!
      let at = i
      for (; at > 0 && scratch[at - 1]! > latency; at--) scratch[at] = scratch[at - 1]!
      scratch[at] = latency
    }
    return scratch[(known - 1) >> 1]!
  }
}
