import type { BalancedEndpoint } from './balanced-endpoint.ts'
import type { Balancer } from './balancer.ts'
import { SmoothTurns } from './smooth-turns.ts'

/**
 * In turn, each as often as its weight says, evenly spread (`smooth-turns.ts`). The first round begins at a random
 * place, so that several proxies do not march in step.
 */
export function smoothWeightedRoundRobin(random: () => number): Balancer {
  const turns = new SmoothTurns<BalancedEndpoint>()
  let begun = false

  const next = (endpoints: readonly BalancedEndpoint[]): number => {
    for (let i = 0; i < endpoints.length; i++) turns.weights[i] = endpoints[i]!.effectiveWeight
    return turns.next()
  }

  return {
    pick(endpoints) {
      turns.seat(endpoints)
      if (!begun && endpoints.length > 0) {
        begun = true
        for (let skip = Math.floor(random() * endpoints.length); skip > 0; skip--) next(endpoints)
      }
      return next(endpoints)
    },
    started() {},
    finished() {},
  }
}
