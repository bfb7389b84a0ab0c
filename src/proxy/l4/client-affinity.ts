import type { Millis } from '../../base/clock.ts'
import type { Endpoint } from '../table/routing-table.ts'

const CLIENTS_MAX = 10_000

interface Stay {
  readonly endpoint: Endpoint
  until: Millis
}

/** Which endpoint each client of one Service port stays with; beyond 10,000 clients the longest absent is forgotten. */
export class ClientAffinity {
  readonly #stays = new Map<string, Stay>()

  /** The client's endpoint if it is still among those to choose from; its time begins anew. */
  find(client: string, from: readonly Endpoint[], now: Millis, affinityMs: Millis): Endpoint | undefined {
    const stay = this.#stays.get(client)
    if (stay === undefined) return undefined
    const endpoint =
      stay.until > now
        ? from.find(({ address, port }) => address === stay.endpoint.address && port === stay.endpoint.port)
        : undefined
    this.#stays.delete(client)
    if (endpoint !== undefined) this.#stays.set(client, { endpoint, until: now + affinityMs })
    return endpoint
  }

  remember(client: string, endpoint: Endpoint, now: Millis, affinityMs: Millis): void {
    this.#stays.delete(client)
    this.#stays.set(client, { endpoint, until: now + affinityMs })
    if (this.#stays.size > CLIENTS_MAX) this.#stays.delete(this.#stays.keys().next().value!)
  }
}
