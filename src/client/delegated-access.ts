import { createHash } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS } from '../api/resource-type.ts'
import { StatusError } from '../api/status-error.ts'
import type { UserInfo } from '../api/types/authentication-v1.gen.ts'
import type { SubjectAccessReviewSpec } from '../api/types/authorization-v1.gen.ts'
import type { Clock, Millis } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { certificateUser } from './certificate-user.ts'
import type { Client } from './client.ts'

/** What a caller wants to do: something with a resource of the API, or with a path of the server that asks. */
export type AccessQuestion = Pick<SubjectAccessReviewSpec, 'resourceAttributes' | 'nonResourceAttributes'>

export interface Caller {
  readonly socket: TLSSocket
  /** The request's `Authorization` header. */
  readonly authorization: string | undefined
}

/** 401: nobody that the cluster knows; 403: may not; 429: too many are asking; 503: the API server cannot be asked. */
export type Refusal = 401 | 403 | 429 | 503

export interface DelegatedAccess {
  /** Undefined: the caller may. Never rejects. */
  check(caller: Caller, question: AccessQuestion): Promise<Refusal | undefined>
}

export interface DelegatedAccessOptions {
  /** Its user needs the rights of `system:auth-delegator`. */
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  /** Common names of certificates that may do everything without a question, since the answer would come from them. */
  readonly trusted: readonly string[]
}

/** How long a yes counts; Kubernetes' own servers take 2 to 5 minutes. */
const YES_MS = 60_000
/** A no counts shorter: whoever has just been given a right is let in soon. */
const NO_MS = 10_000
/** While the API server is away a yes counts this much longer: what is wrong with a cluster is seen by what is scraped. */
const AWAY_MS = 15 * 60_000
const ANSWERS_MAX = 1_024
/** Questions under way at a time: whoever floods this server does not flood the API server through it. */
const ASKING_MAX = 16
const TOKEN_BYTES_MAX = 16 * 1024

/** Answers to questions, each for a time; the oldest go first when there are too many. Questions asked twice at once are asked once. */
class Answers<T> {
  readonly #clock: Clock
  readonly #known = new Map<string, { readonly value: T; readonly isYes: boolean; readonly at: Millis }>()
  readonly #asking = new Map<string, Promise<T>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Rejects with what `ask` rejects with, or a `TooManyQuestions`. */
  async of(key: string, isYes: (value: T) => boolean, ask: () => Promise<T>): Promise<T> {
    const known = this.#known.get(key)
    const ageMs = known === undefined ? Infinity : this.#clock.monotonic() - known.at
    if (known !== undefined && ageMs < (known.isYes ? YES_MS : NO_MS)) return known.value
    try {
      return await (this.#asking.get(key) ?? this.#ask(key, isYes, ask))
    } catch (error) {
      if (known?.isYes === true && ageMs < YES_MS + AWAY_MS && !isNo(error)) return known.value
      throw error
    }
  }

  async #ask(key: string, isYes: (value: T) => boolean, ask: () => Promise<T>): Promise<T> {
    if (this.#asking.size >= ASKING_MAX) throw new TooManyQuestions()
    const asked = ask()
    this.#asking.set(key, asked)
    try {
      const value = await asked
      this.#known.delete(key)
      this.#known.set(key, { value, isYes: isYes(value), at: this.#clock.monotonic() })
      if (this.#known.size > ANSWERS_MAX) this.#known.delete(this.#known.keys().next().value!)
      return value
    } finally {
      this.#asking.delete(key)
    }
  }
}

class TooManyQuestions extends Error {}

/** The API server has answered, and will not say: this server itself may not ask it. */
function isNo(error: unknown): boolean {
  return error instanceof StatusError && error.code < 500 && error.code !== 429
}

/**
 * Lets a server of the cluster (an agent's node API, a proxy's admin server) leave to the API server who calls and what
 * they may: client certificates of the cluster's CA are known here, bearer tokens by a TokenReview, and every right by a
 * SubjectAccessReview. Fails closed: nobody is let in because nobody could be asked, but who was let in a moment ago is.
 */
export function createDelegatedAccess({ client, clock, logger, trusted }: DelegatedAccessOptions): DelegatedAccess {
  const tokens = new Answers<UserInfo | undefined>(clock)
  const rights = new Answers<boolean>(clock)

  const userOfToken = async (authorization: string | undefined): Promise<UserInfo | undefined> => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    if (token === undefined || token.length > TOKEN_BYTES_MAX) return undefined
    const key = createHash('sha256').update(token).digest('base64')
    return tokens.of(
      key,
      (user) => user !== undefined,
      async () => {
        const { status } = await client.create(TOKEN_REVIEWS, { spec: { token } })
        return status?.authenticated === true ? status.user : undefined
      },
    )
  }

  const may = (user: UserInfo, question: AccessQuestion): Promise<boolean> => {
    const { username, uid, groups, extra } = user
    const spec = {
      ...(username === undefined ? {} : { user: username }),
      ...(uid === undefined ? {} : { uid }),
      ...(groups === undefined ? {} : { groups }),
      ...(extra === undefined ? {} : { extra }),
      ...question,
    }
    const ask = async (): Promise<boolean> =>
      (await client.create(SUBJECT_ACCESS_REVIEWS, { spec })).status?.allowed === true
    return rights.of(JSON.stringify(spec), (allowed) => allowed, ask)
  }

  return {
    async check(caller, question) {
      try {
        const shown = certificateUser(caller.socket)
        if (shown === 'bad') return 401
        if (shown !== 'none' && trusted.includes(shown.name)) return undefined
        const user =
          shown === 'none' ? await userOfToken(caller.authorization) : { username: shown.name, groups: shown.groups }
        if (user === undefined) return 401
        return (await may(user, question)) ? undefined : 403
      } catch (error) {
        if (error instanceof TooManyQuestions) return 429
        logger.warn({ err: error }, 'the API server could not be asked who may read this')
        return 503
      }
    },
  }
}
