import type { BalancedEndpoint } from './balanced-endpoint.ts'
import type { Balancer } from './balancer.ts'
import { hashText, mix32 } from './hash-key.ts'

export interface RingHashOptions {
  /** Places on the ring, at least. Default 1,024 (Envoy). */
  readonly minimumSize?: number
  /** At most; more are wanted only where weights differ greatly. Default 8,388,608 (Envoy). */
  readonly maximumSize?: number
}

interface Ring {
  /** Ascending. */
  readonly hashes: Uint32Array
  /** Index of the endpoint at each place. */
  readonly owners: Uint32Array
}

/**
 * Ketama: every endpoint has places on a ring of 32-bit hashes, as many as its weight says; a key belongs to the first
 * place at or after it. As Envoy sizes it: large enough that the lightest endpoint has a place of its own and there
 * are 1,024 in all. When an endpoint goes, its own keys move and few others; shares are less even than Maglev's, and a
 * pick is a binary search.
 */
export function ringHash(options: RingHashOptions = {}): Balancer {
  let members: readonly BalancedEndpoint[] = []
  let ring: Ring = buildRing([], options)
  return {
    pick(endpoints, key) {
      if (endpoints !== members) {
        members = endpoints
        ring = buildRing(endpoints, options)
      }
      if (endpoints.length === 0) return -1
      const { hashes, owners } = ring
      const wanted = mix32(key)
      let low = 0
      let high = hashes.length
      while (low < high) {
        const middle = (low + high) >>> 1
        if (hashes[middle]! < wanted) low = middle + 1
        else high = middle
      }
      return owners[low === hashes.length ? 0 : low]!
    },
    started() {},
    finished() {},
  }
}

/** 2^21: more than any number of endpoints, and hash times that is still an exact integer. */
const OWNER_SPAN = 0x20_0000

function buildRing(endpoints: readonly BalancedEndpoint[], options: RingHashOptions): Ring {
  const { minimumSize = 1_024, maximumSize = 8_388_608 } = options
  const total = endpoints.reduce((sum, { weight }) => sum + weight, 0)
  const lightest = endpoints.reduce((least, { weight }) => Math.min(least, weight / total), 1)
  const scale = Math.min(Math.ceil(lightest * minimumSize) / lightest, maximumSize)
  // By name, so that two places with one hash have the same owner on every proxy.
  const order = endpoints.map((_, i) => i).sort((a, b) => (endpoints[a]!.name < endpoints[b]!.name ? -1 : 1))
  const places: number[] = []
  let target = 0
  for (const [rank, i] of order.entries()) {
    const { name, weight } = endpoints[i]!
    // Fractions of a place are carried over to the next endpoint, so that the whole ring has the size meant.
    target += (weight / total) * scale
    for (let copy = 0; places.length < target; copy++) places.push(hashText(`${name}_${copy}`) * OWNER_SPAN + rank)
  }
  const sorted = Float64Array.from(places).sort()
  return {
    hashes: Uint32Array.from(sorted, (place) => Math.floor(place / OWNER_SPAN)),
    owners: Uint32Array.from(sorted, (place) => order[place % OWNER_SPAN]!),
  }
}
