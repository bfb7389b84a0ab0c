import type { Client } from './client.ts'
import type { Router } from './route.ts'

/** What a listener gives its connections. */
export interface ClientSettings {
  readonly scheme: 'http' | 'https'
  readonly router: Router
  /** As `ForwardSettings.trustsForwarded`, of these clients alone; undefined: as that says. */
  readonly trustsForwarded?: boolean
  onClosed(client: Client): void
  /**
   * Clients may speak HTTP/2 without asking first; a connection of one that does goes on as `next`. undefined: none may.
   */
  readonly onHttp2?: (client: Client, next: Client) => void
  /** An answer of the proxy's own to a request that no route was found for. */
  countError(code: string): void
}
