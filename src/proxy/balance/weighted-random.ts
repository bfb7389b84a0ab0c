import type { Balancer } from './balancer.ts'

/** Any of them, each as likely as its weight says. One pass over the endpoints for the sum, part of one to choose. */
export function weightedRandom(random: () => number): Balancer {
  return {
    pick(endpoints) {
      let total = 0
      for (let i = 0; i < endpoints.length; i++) total += endpoints[i]!.effectiveWeight
      let left = random() * total
      for (let i = 0; i < endpoints.length; i++) {
        left -= endpoints[i]!.effectiveWeight
        if (left < 0) return i
      }
      // Only for want of endpoints, or of the last bit of a double.
      return endpoints.length - 1
    },
    started() {},
    finished() {},
  }
}
