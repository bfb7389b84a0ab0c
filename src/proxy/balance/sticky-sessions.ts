import { createHmac } from 'node:crypto'
import type { BalancedEndpoint } from './balanced-endpoint.ts'

/** 96 bits: no two endpoints share a token, and nobody finds one by trying. */
const TOKEN_LENGTH = 16

/**
 * Sessions that stay with their endpoint by a token which the client sends back, in a cookie or a header. The token
 * names the endpoint, so that no proxy need remember anything and all of them understand it, but does not show its
 * address: it is the address's HMAC under the cluster's secret.
 *
 * Whether the endpoint still takes requests is `EndpointGroup.isEligible`'s business; if not, the session moves: pick
 * anew and hand out the new token.
 */
export class StickySessions {
  readonly #secret: string | Uint8Array
  #members: readonly BalancedEndpoint[] = []
  #byToken: ReadonlyMap<string, BalancedEndpoint> = new Map()

  constructor(secret: string | Uint8Array) {
    this.#secret = secret
  }

  token(endpoint: BalancedEndpoint): string {
    return createHmac('sha256', this.#secret).update(endpoint.name).digest('base64url').slice(0, TOKEN_LENGTH)
  }

  /** undefined: the token is none of ours, or its endpoint is gone. Tokens are worked out once per array. */
  find(token: string, endpoints: readonly BalancedEndpoint[]): BalancedEndpoint | undefined {
    if (endpoints !== this.#members) {
      this.#members = endpoints
      this.#byToken = new Map(endpoints.map((endpoint) => [this.token(endpoint), endpoint]))
    }
    return this.#byToken.get(token)
  }
}
