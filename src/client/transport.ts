import type { KubeObject } from '../api/object.ts'

/** One call to the API, without a wire: `path` is absolute and already percent-encoded where needed. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** For PATCH: which patch type. Other methods send JSON. */
  readonly contentType?: string
  /** A JSON value; the receiver does not change it. */
  readonly body?: unknown
  readonly signal?: AbortSignal
}

export interface ApiResponse {
  readonly status: number
  /** A JSON value, shared and immutable when the transport is in-process. */
  readonly body: unknown
}

export interface WatchEvent<T = KubeObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: T
}

/**
 * How the typed client reaches the API server: over HTTPS, or in the same process without a socket or a copy.
 * `request` resolves with any status; only a broken transport rejects. `watch` resolves once the server has accepted
 * the watch (rejects with a StatusError when it has not); iterating ends when the server ends it or the signal aborts.
 */
export interface Transport {
  request(request: ApiRequest): Promise<ApiResponse>
  watch(request: ApiRequest): Promise<AsyncIterable<WatchEvent>>
  close(): Promise<void>
}
