import type { BalancedEndpoint } from './balanced-endpoint.ts'
import type { Balancer } from './balancer.ts'
import { rifP2c } from './rif-p2c.ts'
import { SmoothTurns } from './smooth-turns.ts'

export interface LeastRequestOptions {
  readonly random: () => number
  /** How strongly requests in flight count where weights differ; 0: not at all. Default 1 (Envoy). */
  readonly bias?: number
}

/**
 * Envoy's least request. Where all weights are the same: of two drawn at random the one with fewer requests in flight.
 * Where they differ: in turn by the weight that is left, weight / (requests in flight + 1)^bias, bias 1.0.
 */
export function leastRequest({ random, bias = 1 }: LeastRequestOptions): Balancer {
  const equals = rifP2c(random)
  const turns = new SmoothTurns<BalancedEndpoint>()
  let sameWeights = true
  return {
    pick(endpoints, key, nowMs) {
      if (turns.seat(endpoints)) sameWeights = endpoints.every(({ weight }) => weight === endpoints[0]!.weight)
      if (sameWeights) return equals.pick(endpoints, key, nowMs)
      for (let i = 0; i < endpoints.length; i++) {
        const { effectiveWeight, inFlight } = endpoints[i]!
        turns.weights[i] = bias === 1 ? effectiveWeight / (inFlight + 1) : effectiveWeight / (inFlight + 1) ** bias
      }
      return turns.next()
    },
    started() {},
    finished() {},
  }
}
