import { SERVICE_ACCOUNTS } from '../../api/resource-type.ts'
import type { TokenRequest } from '../../api/types/authentication-v1.gen.ts'
import type { Pod, ServiceAccountTokenProjection } from '../../api/types/core-v1.gen.ts'
import type { Clock, Millis } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'

const SECONDS_DEFAULT = 3_600
/** The kubelet's rule: renewed after four fifths of its life, or after a day. */
const LIFE_SHARE = 0.8
const AGE_MS_MAX = 24 * 3_600_000
const JITTER_MS = 10_000
const RETRY_MS = 10_000

export interface Token {
  readonly text: string
  readonly expiresAtMs: Millis
  readonly renewAtMs: Millis
}

/** When a token is renewed; `random` in [0, 1) spreads those of many pods. */
export function renewalTime(issuedAtMs: Millis, expiresAtMs: Millis, random: number): Millis {
  const age = Math.min((expiresAtMs - issuedAtMs) * LIFE_SHARE, AGE_MS_MAX)
  return issuedAtMs + Math.max(0, age - random * JITTER_MS)
}

export function tokenKey({
  audience = '',
  expirationSeconds = SECONDS_DEFAULT,
}: ServiceAccountTokenProjection): string {
  return `${expirationSeconds} ${audience}`
}

/** The service account tokens of one pod's volumes, each bound to the pod, so that it dies with it. */
export class ServiceAccountTokens {
  readonly #client: Client
  readonly #clock: Clock
  readonly #random: () => number
  readonly #tokens = new Map<string, Token>()

  constructor(client: Client, clock: Clock, random: () => number) {
    this.#client = client
    this.#clock = clock
    this.#random = random
  }

  /** When the next of them wants to be renewed. */
  get renewAtMs(): Millis | undefined {
    const times = [...this.#tokens.values()].map((token) => token.renewAtMs)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** The token for a projection: the one there is, or a new one when it is time. An old one lasts while no new one is to be had. */
  async token(pod: Pod, projection: ServiceAccountTokenProjection): Promise<string> {
    const key = tokenKey(projection)
    const now = this.#clock.now()
    const present = this.#tokens.get(key)
    if (present !== undefined && now < present.renewAtMs) return present.text
    try {
      const token = await this.#request(pod, projection, now)
      this.#tokens.set(key, token)
      return token.text
    } catch (error) {
      if (present === undefined || present.expiresAtMs <= this.#clock.now()) {
        const why = error instanceof Error ? error.message : String(error)
        throw new Error(`failed to fetch token: ${why}`, { cause: error })
      }
      this.#tokens.set(key, { ...present, renewAtMs: this.#clock.now() + RETRY_MS })
      return present.text
    }
  }

  async #request(pod: Pod, projection: ServiceAccountTokenProjection, issuedAtMs: Millis): Promise<Token> {
    const { name = '', namespace = '', uid = '' } = pod.metadata ?? {}
    const account = pod.spec?.serviceAccountName ?? 'default'
    const { audience = '', expirationSeconds = SECONDS_DEFAULT } = projection
    const request: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: audience === '' ? [] : [audience],
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    }
    const answer = (await this.#client.createSubresource(
      SERVICE_ACCOUNTS,
      { namespace, name: account },
      'token',
      request,
    )) as TokenRequest
    const { token, expirationTimestamp } = answer.status ?? {}
    if (token === undefined || token === '') throw new Error('the API server gave an empty one')
    const told = Date.parse(expirationTimestamp ?? '')
    const expiresAtMs = Number.isNaN(told) ? issuedAtMs + expirationSeconds * 1_000 : told
    return { text: token, expiresAtMs, renewAtMs: renewalTime(issuedAtMs, expiresAtMs, this.#random()) }
  }
}
