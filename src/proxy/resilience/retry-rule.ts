import { type Backoff, fullJitterMs } from './backoff.ts'

/** Where the fault lies. A client's is never retried, nor is one of our own making. */
export type ErrorSource = 'downstream' | 'upstream' | 'internal'

/**
 * What an error says about trying again:
 * - `never`: it would fail again, or must not be done twice;
 * - `safe`: the request cannot have been acted on (no connection, refused stream, GOAWAY below its number);
 * - `ifReused`: the connection broke before a byte of the response. If it had been used before, its server most likely
 *   closed it for idleness at that moment;
 * - `ifIdempotent`: it may have been acted on (reset, try's timeout, 502, 503, 504).
 */
export type Retryable = 'never' | 'safe' | 'ifReused' | 'ifIdempotent'

export interface FailedTry {
  readonly source: ErrorSource
  readonly retry: Retryable
  /** Of the request, as it stands on the wire: methods are case-sensitive. */
  readonly method: string
  /** The whole body is at hand, or there is none. */
  readonly replayable: boolean
  /** Something of a response has gone to the client. */
  readonly responseBegun: boolean
  /** The connection had carried another request before. */
  readonly connectionReused: boolean
  /** Tries made, this one included: 1 at least. */
  readonly tries: number
  readonly nowMs: number
  /** When the request's overall time is up; Infinity: never. */
  readonly deadlineMs: number
  /** The service's retry budget and circuit breaker allow one more. */
  readonly covered: boolean
}

export interface RetryPolicy {
  /** Default 3: the first and two retries. */
  readonly triesMax?: number
  /** Time for one try; Infinity by default: only the overall time counts. */
  readonly perTryMs?: number
  /**
   * Statuses from 500 up whose answers are tried again, as `ifIdempotent`; the last try's answer is passed on. Default none:
   * an answer is the service's word.
   */
  readonly statuses?: readonly number[]
  /** Default 25 ms, at most 250 (Envoy). The first retry after `safe` and `ifReused` comes at once. */
  readonly backoff?: Backoff
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly afterMs: number; readonly timeoutMs: number }
  | { readonly kind: 'giveUp'; readonly why: GiveUp }

export type GiveUp =
  | 'notUpstream'
  | 'notRetryable'
  | 'notIdempotent'
  | 'responseBegun'
  | 'bodyGone'
  | 'triesUsed'
  | 'deadline'
  | 'budget'

const DEFAULT_BACKOFF: Backoff = { baseMs: 25, maxMs: 250 }
/** RFC 9110 §9.2.2, less CONNECT, which is never retried. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method)
}

/** Whether and when to try again, or the first reason not to. Whoever retries then withdraws from the budget. */
export function decideRetry(failed: FailedTry, policy: RetryPolicy, random: () => number): RetryDecision {
  const { triesMax = 3, backoff = DEFAULT_BACKOFF } = policy
  const why = reasonAgainst(failed, triesMax)
  if (why !== undefined) return { kind: 'giveUp', why }
  const atOnce = failed.tries === 1 && failed.retry !== 'ifIdempotent'
  const afterMs = atOnce ? 0 : fullJitterMs(failed.tries - 1, backoff, random)
  const timeoutMs = tryTimeoutMs(policy, failed.nowMs + afterMs, failed.deadlineMs)
  if (timeoutMs <= 0) return { kind: 'giveUp', why: 'deadline' }
  if (!failed.covered) return { kind: 'giveUp', why: 'budget' }
  return { kind: 'retry', afterMs, timeoutMs }
}

/** Time for a try that starts at `startMs`: its own, but never beyond the request's. 0 or less: there is none left. */
export function tryTimeoutMs(policy: RetryPolicy, startMs: number, deadlineMs: number): number {
  return Math.min(policy.perTryMs ?? Number.POSITIVE_INFINITY, deadlineMs - startMs)
}

function reasonAgainst(failed: FailedTry, triesMax: number): GiveUp | undefined {
  if (failed.source !== 'upstream') return 'notUpstream'
  if (failed.retry === 'never' || (failed.retry === 'ifReused' && !failed.connectionReused)) return 'notRetryable'
  if (failed.responseBegun) return 'responseBegun'
  if (failed.retry !== 'safe' && !isIdempotent(failed.method)) return 'notIdempotent'
  if (!failed.replayable) return 'bodyGone'
  if (failed.tries >= triesMax) return 'triesUsed'
  return undefined
}
