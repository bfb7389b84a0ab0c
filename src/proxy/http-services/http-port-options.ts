import type { Algorithm } from '../balance/algorithms.ts'
import type { KeySource } from '../l7/engine/request-key.ts'
import type { HttpProtocol } from './http-protocol.ts'

/** How the requests of one Service port are treated. Plain data: compared to see what has changed. */
export interface HttpPortOptions {
  readonly protocol: HttpProtocol
  readonly algorithm: Algorithm
  /** What the hashing algorithms go by; the others do not look at it. */
  readonly key: KeySource
  /** Sessions stay with their endpoint by a token in a cookie or header; undefined: not at all. */
  readonly sticky: { readonly by: 'cookie' | 'header'; readonly name: string } | undefined
  /** What session tokens are made with: the same for all proxies and after a restart, unknown to clients. */
  readonly secret: string
  /** From a request's head to the end of its response, all tries together; Infinity: none. */
  readonly requestMs: number
  /** From a request sent to the head of its response; beyond it another try is made. undefined: as long as it takes. */
  readonly perTryMs: number | undefined
  /** Beside the first try. */
  readonly retriesMax: number
  /** Answers, of 500 to 599, that are tried again where the method is idempotent. */
  readonly retryStatuses: readonly number[]
  readonly ejectsOutliers: boolean
  /** New endpoints come to their full share within this time; 0: at once. */
  readonly slowStartMs: number
  /** Connections to all endpoints together, and requests under way; undefined: the engine's own limits. */
  readonly connectionsMax: number | undefined
  readonly requestsMax: number | undefined
}
