import type { BalancedEndpoint } from './balanced-endpoint.ts'
import type { Balancer } from './balancer.ts'
import { hashText, mix32 } from './hash-key.ts'

/** Primes. The first is Envoy's and the paper's; the second is for more endpoints than that divides well among. */
const TABLE_SIZES = [65_537, 655_373, 5_000_011] as const
/** The table has so many places for each endpoint, or their shares differ by more than a percent (Eisenbud et al.). */
const PLACES_PER_ENDPOINT = 100
const OFFSET_SEED = 0x6d61_676c
const SKIP_SEED = 0x6576_3136
/** No endpoint's index. */
const FREE = 0xffff_ffff

/**
 * Maglev's consistent hashing (Eisenbud et al., NSDI '16 §3.4), weighted as in Envoy: requests with the same key go to
 * the same endpoint, shares are almost exactly as the weights, and when an endpoint comes or goes few keys of the
 * others move. All proxies build the same table whatever order they learn the endpoints in. Weights do not follow
 * slow start, which would move keys all the time.
 *
 * A pick reads one place of a table of 65,537 (from 656 endpoints on 655,373); building it takes about 2 ms.
 */
export function maglev(): Balancer {
  let members: readonly BalancedEndpoint[] = []
  let table = new Uint32Array(0)
  return {
    pick(endpoints, key) {
      if (endpoints !== members) {
        members = endpoints
        table = maglevTable(endpoints)
      }
      // The key is mixed again: where it is a counter or an address its low bits alone would not spread.
      return endpoints.length === 0 ? -1 : table[mix32(key) % table.length]!
    },
    started() {},
    finished() {},
  }
}

/** Index of the endpoint at each place. */
export function maglevTable(
  endpoints: readonly Pick<BalancedEndpoint, 'name' | 'weight'>[],
  size = TABLE_SIZES.find((size) => size > PLACES_PER_ENDPOINT * endpoints.length) ?? TABLE_SIZES[2],
): Uint32Array<ArrayBuffer> {
  const count = endpoints.length
  const table = new Uint32Array(count === 0 ? 0 : size).fill(FREE)
  const order = Uint32Array.from(endpoints, (_, i) => i).sort((a, b) =>
    endpoints[a]!.name < endpoints[b]!.name ? -1 : 1,
  )
  const next = Uint32Array.from(order, (i) => hashText(endpoints[i]!.name, OFFSET_SEED) % size)
  const skip = Uint32Array.from(order, (i) => (hashText(endpoints[i]!.name, SKIP_SEED) % (size - 1)) + 1)
  const weights = Float64Array.from(order, (i) => endpoints[i]!.weight)
  const heaviest = weights.reduce((most, weight) => Math.max(most, weight), 0)
  const taken = new Float64Array(count)
  let filled = 0
  for (let round = 1; filled < table.length; round++) {
    for (let k = 0; k < count && filled < table.length; k++) {
      // The lighter ones sit out rounds, so that they take a part of the turns that is as their weight.
      if (round * weights[k]! < taken[k]!) continue
      taken[k]! += heaviest
      const step = skip[k]!
      let at = next[k]!
      while (table[at] !== FREE) {
        at += step
        if (at >= size) at -= size
      }
      table[at] = order[k]!
      next[k] = at
      filled += 1
    }
  }
  return table
}
