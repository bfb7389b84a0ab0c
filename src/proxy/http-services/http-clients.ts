import { acceptHttp } from '../l7/engine/accept-http.ts'
import type { Client } from '../l7/engine/client.ts'
import type { ClientSettings } from '../l7/engine/client-settings.ts'
import type { Engine } from '../l7/engine/engine.ts'
import type { Route, Router } from '../l7/engine/route.ts'

/** Where all requests of one listener's clients go that come from the same place; follows the routing table. */
class FollowingRouter implements Router {
  /** undefined: nowhere any more. */
  current: Route | undefined = undefined

  check(): number {
    return 0
  }

  route(): Route | undefined {
    return this.current
  }
}

export interface HttpClientsOptions {
  /**
   * They are pods or nodes: what they say of the client that they ask for (`X-Forwarded-*`) goes on and is added to, as
   * of a gateway in front of other Services. What others say of themselves is replaced.
   */
  readonly areInCluster: boolean
  /** For each connection, once. */
  onClosed(): void
  /** An answer of the proxy's own to a request that belongs to no Service, by its code. */
  countError(code: string): void
}

/** The connections of one listener's clients that may reach the same endpoints. */
export class HttpClients {
  readonly #clients = new Set<Client>()
  readonly #router = new FollowingRouter()
  readonly #accept: (handle: object) => void

  constructor(engine: Engine, { areInCluster, onClosed, countError }: HttpClientsOptions) {
    const onClientClosed = (client: Client): void => {
      this.#clients.delete(client)
      onClosed()
    }
    const settings: ClientSettings = {
      scheme: 'http',
      router: this.#router,
      trustsForwarded: areInCluster,
      onClosed: onClientClosed,
      onHttp2: (client, next) => {
        this.#clients.delete(client)
        this.#clients.add(next)
      },
      countError,
    }
    this.#accept = acceptHttp(engine.context, settings, this.#clients, undefined, false)
  }

  get size(): number {
    return this.#clients.size
  }

  /** Their next requests go there. */
  lead(route: Route | undefined): void {
    this.#router.current = route
  }

  /** `handle`: an accepted connection below `net.Socket`, not yet read from. */
  accept(handle: object): void {
    this.#accept(handle)
  }

  /** Each connection ends after the request under way. */
  drain(): void {
    for (const client of this.#clients) client.drain()
  }

  destroy(): void {
    for (const client of this.#clients) client.destroy()
  }
}
