import { createHmac } from 'node:crypto'
import type { BalancedEndpoint } from './balanced-endpoint.ts'
import { hashBytes } from './hash-key.ts'

/** 96 bits: no two endpoints share a token, and nobody finds one by trying. */
const TOKEN_LENGTH = 16

interface Member {
  readonly token: Uint8Array
  readonly endpoint: BalancedEndpoint
}

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
  /** By the hash of the token. */
  #byHash: ReadonlyMap<number, readonly Member[]> = new Map()

  constructor(secret: string | Uint8Array) {
    this.#secret = secret
  }

  token(endpoint: BalancedEndpoint): string {
    return createHmac('sha256', this.#secret).update(endpoint.name).digest('base64url').slice(0, TOKEN_LENGTH)
  }

  /**
   * Whose token `b[start, end)` is; undefined: it is none of ours, or its endpoint is gone. Tokens are worked out once
   * per array; beyond that nothing is allocated.
   */
  find(
    b: Uint8Array,
    start: number,
    end: number,
    endpoints: readonly BalancedEndpoint[],
  ): BalancedEndpoint | undefined {
    if (endpoints !== this.#members) this.#learn(endpoints)
    if (end - start !== TOKEN_LENGTH) return undefined
    const members = this.#byHash.get(hashBytes(b, start, end))
    if (members === undefined) return undefined
    for (let i = 0; i < members.length; i++) {
      const { token, endpoint } = members[i]!
      let at = 0
      while (at < TOKEN_LENGTH && b[start + at] === token[at]) at++
      if (at === TOKEN_LENGTH) return endpoint
    }
    return undefined
  }

  #learn(endpoints: readonly BalancedEndpoint[]): void {
    const byHash = new Map<number, Member[]>()
    for (const endpoint of endpoints) {
      const token = new Uint8Array(Buffer.from(this.token(endpoint), 'latin1'))
      const hash = hashBytes(token, 0, TOKEN_LENGTH)
      byHash.set(hash, [...(byHash.get(hash) ?? []), { token, endpoint }])
    }
    this.#members = endpoints
    this.#byHash = byHash
  }
}
