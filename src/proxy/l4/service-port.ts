import type { Clock } from '../../base/clock.ts'
import type { Balancer } from '../balance/balancer.ts'
import { randomChoice } from '../balance/random-choice.ts'
import { roundRobin } from '../balance/round-robin.ts'
import type { Endpoint, Listener } from '../table/routing-table.ts'
import { ClientAffinity } from './client-affinity.ts'

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

  constructor(name: string, clock: Clock, random: () => number) {
    this.name = name
    this.#clock = clock
    this.#inTurn = roundRobin(random)
    this.#anyOther = randomChoice(random)
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
