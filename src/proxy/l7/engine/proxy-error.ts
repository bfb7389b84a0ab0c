import type { Retryable } from '../../resilience/retry-rule.ts'

/** Where the fault lies, and whether another try makes sense; `code` is stable, sent as `x-wherry-error` and counted. */
export interface ProxyError {
  readonly code: string
  readonly status: 404 | 408 | 500 | 501 | 502 | 503 | 504
  readonly source: 'downstream' | 'upstream' | 'internal'
  readonly retry: Retryable
}

/** Made once: nothing is allocated for a request that fails. */
export const PROXY_ERRORS = {
  noRoute: { code: 'no-route', status: 404, source: 'internal', retry: 'never' },
  noEndpoint: { code: 'no-endpoint', status: 503, source: 'upstream', retry: 'never' },
  overloaded: { code: 'overloaded', status: 503, source: 'internal', retry: 'never' },
  connectFailed: { code: 'connect-failed', status: 503, source: 'upstream', retry: 'safe' },
  connectTimeout: { code: 'connect-timeout', status: 504, source: 'upstream', retry: 'safe' },
  /** The endpoint has not proved who it is, by `UpstreamTlsOptions`; it was sent nothing. */
  certificateRejected: { code: 'certificate-rejected', status: 502, source: 'upstream', retry: 'safe' },
  /** It had carried other requests before. */
  reusedConnectionBroke: { code: 'upstream-closed', status: 502, source: 'upstream', retry: 'ifReused' },
  connectionBroke: { code: 'upstream-closed', status: 502, source: 'upstream', retry: 'ifIdempotent' },
  /** A stream that the endpoint did not look at (RFC 9113 §8.7). */
  refusedStream: { code: 'stream-refused', status: 503, source: 'upstream', retry: 'safe' },
  streamReset: { code: 'stream-reset', status: 502, source: 'upstream', retry: 'ifIdempotent' },
  /** The endpoint does not speak what it is said to speak. */
  wrongProtocol: { code: 'wrong-protocol', status: 502, source: 'upstream', retry: 'never' },
  responseTimeout: { code: 'response-timeout', status: 504, source: 'upstream', retry: 'ifIdempotent' },
  /** Its answer has a status that the upstream's `RetryPolicy` says to try again; never an answer of our own. */
  retriableAnswer: { code: 'retriable-answer', status: 502, source: 'upstream', retry: 'ifIdempotent' },
  /** All tries together took longer than the upstream's requests may. */
  overallTimeout: { code: 'overall-timeout', status: 504, source: 'upstream', retry: 'never' },
  badResponse: { code: 'bad-response', status: 502, source: 'upstream', retry: 'never' },
  upgradeFailed: { code: 'upgrade-failed', status: 502, source: 'upstream', retry: 'never' },
  /** The endpoint is spoken to in HTTP/2, where there are no upgrades (RFC 9113 §8.6); it was sent nothing. */
  upgradeUnsupported: { code: 'upgrade-unsupported', status: 501, source: 'internal', retry: 'never' },
  /** The client did not send what it announced in time. */
  requestTimeout: { code: 'request-timeout', status: 408, source: 'downstream', retry: 'never' },
} as const satisfies Record<string, ProxyError>
