import type { Balancer } from './balancer.ts'

/**
 * Of two distinct endpoints drawn at random the one with fewer requests in flight per weight ("Po2-RIF"; Mitzenmacher,
 * The Power of Two Choices, 2001). Knows no latency and no failures: an endpoint that fails fast looks idle to it.
 */
export function rifP2c(random: () => number): Balancer {
  return {
    pick(endpoints) {
      const n = endpoints.length
      if (n < 2) return n - 1
      const i = Math.floor(random() * n)
      const drawn = Math.floor(random() * (n - 1))
      const j = drawn >= i ? drawn + 1 : drawn
      const a = endpoints[i]!
      const b = endpoints[j]!
      return (a.inFlight + 1) * b.effectiveWeight <= (b.inFlight + 1) * a.effectiveWeight ? i : j
    },
    started() {},
    finished() {},
  }
}
