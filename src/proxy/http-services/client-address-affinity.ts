import type { BalancedEndpoint } from '../balance/balanced-endpoint.ts'
import type { Balancer } from '../balance/balancer.ts'

/** Beyond this the client that has been away for longest is forgotten. */
const CLIENTS_MAX = 10_000

interface Stay {
  readonly endpoint: BalancedEndpoint
  untilMs: number
}

/**
 * `sessionAffinity: ClientIP` for requests: a client stays with its endpoint until it has asked nothing for
 * `affinityMs`, or the endpoint may not be chosen any more; then `otherwise` chooses anew. The key is the hash of the
 * client's address (`RequestKey`); two clients with the same one share an endpoint, which harms neither.
 */
export function clientAddressAffinity(otherwise: Balancer, affinityMs: number): Balancer {
  const stays = new Map<number, Stay>()
  return {
    pick(endpoints, key, nowMs) {
      const stay = stays.get(key)
      if (stay !== undefined) {
        const at = stay.untilMs > nowMs ? endpoints.indexOf(stay.endpoint) : -1
        // Its place in the map tells how long it has been away.
        stays.delete(key)
        if (at !== -1) {
          stay.untilMs = nowMs + affinityMs
          stays.set(key, stay)
          return at
        }
      }
      const at = otherwise.pick(endpoints, key, nowMs)
      if (at === -1) return at
      stays.set(key, { endpoint: endpoints[at]!, untilMs: nowMs + affinityMs })
      if (stays.size > CLIENTS_MAX) stays.delete(stays.keys().next().value!)
      return at
    },
    started: (endpoint, nowMs) => otherwise.started(endpoint, nowMs),
    finished: (endpoint, nowMs, latencyMs, outcome) => otherwise.finished(endpoint, nowMs, latencyMs, outcome),
  }
}
