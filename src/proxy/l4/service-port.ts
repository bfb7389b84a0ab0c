import type { Clock } from '../../base/clock.ts'
import type { Balancer } from '../balance/balancer.ts'
import { randomChoice } from '../balance/random-choice.ts'
import { roundRobin } from '../balance/round-robin.ts'
import type { Endpoint, Listener } from '../table/routing-table.ts'
import { ClientAffinity } from './client-affinity.ts'
import { EndpointCounts, endpointName, OPEN } from './endpoint-counts.ts'

/** Places in `ServicePort.counts`. */
export const OPENED = 0
export const ACTIVE = 1
export const FAILED = 2
export const REFUSED = 3
/** From clients to endpoints. */
export const BYTES_IN = 4
export const BYTES_OUT = 5
/** Connections that left an endpoint that was going away. */
export const MOVED = 6
/** Requests that were sent again because their endpoint lost them. */
export const REPEATED = 7
const COUNTS = 8
/** Counts of endpoints that are gone are kept until there are so many; then those without connections go. */
const ENDPOINTS_KEPT = 1_000

/** What all listeners of one Service port share while the proxy runs: whose turn it is, who stays where, what was counted. */
export class ServicePort {
  /** `namespace/name:port name` */
  readonly name: string
  /** A typed array, so that counting on the hot path allocates nothing. */
  readonly counts = new Float64Array(COUNTS)
  readonly #clock: Clock
  readonly #inTurn: Balancer<unknown>
  readonly #anyOther: Balancer<unknown>
  readonly #affinity = new ClientAffinity()
  readonly #endpoints = new Map<string, EndpointCounts>()
  #pruneAt = ENDPOINTS_KEPT

  constructor(name: string, clock: Clock, random: () => number) {
    this.name = name
    this.#clock = clock
    this.#inTurn = roundRobin(random)
    this.#anyOther = randomChoice(random)
  }

  /** Where one endpoint is counted. A pod that has the address of an earlier one is another endpoint. */
  countsOf(endpoint: Endpoint): EndpointCounts {
    const name = endpointName(endpoint)
    const known = this.#endpoints.get(name)
    if (known !== undefined && known.pod === endpoint.pod) return known
    if (this.#endpoints.size >= this.#pruneAt) {
      for (const [gone, { counts }] of this.#endpoints) if (counts[OPEN] === 0) this.#endpoints.delete(gone)
      this.#pruneAt = Math.max(ENDPOINTS_KEPT, this.#endpoints.size * 2)
    }
    const counts = new EndpointCounts(name, endpoint.pod)
    this.#endpoints.set(name, counts)
    return counts
  }

  /** Of endpoints that have been connected to, some of which may be gone. */
  endpointCounts(): ReadonlyMap<string, EndpointCounts> {
    return this.#endpoints
  }

  /**
   * Where a new connection goes. `client` is the address it comes from and matters with affinity only; `failed` are
   * endpoints that have just not answered, whose share is spread over all others.
   */
  choose(
    listener: Listener,
    from: readonly Endpoint[],
    client: string,
    failed: readonly Endpoint[],
  ): Endpoint | undefined {
    const { affinityMs } = listener
    if (failed.length > 0) {
      const others = from.filter(
        (candidate) => !failed.some(({ address, port }) => address === candidate.address && port === candidate.port),
      )
      const endpoint = others[this.#anyOther.pick(others, 0, 0)]
      if (endpoint !== undefined && affinityMs !== undefined)
        this.#affinity.remember(client, endpoint, this.#clock.monotonic(), affinityMs)
      return endpoint
    }
    if (affinityMs === undefined) return from[this.#inTurn.pick(from, 0, 0)]
    const now = this.#clock.monotonic()
    const known = this.#affinity.find(client, from, now, affinityMs)
    if (known !== undefined) return known
    const endpoint = from[this.#inTurn.pick(from, 0, now)]
    if (endpoint !== undefined) this.#affinity.remember(client, endpoint, now, affinityMs)
    return endpoint
  }
}
