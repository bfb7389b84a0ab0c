import type { User } from './user.ts'

/** One request as the API server sees it, whatever brought it: TLS, or a caller in the same process. */
export interface ServerRequest {
  readonly method: string
  /** Still percent-encoded, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** Lower-case names; repeated headers are joined with `, `. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Empty when there is none. */
  readonly body: Uint8Array
  readonly user: User
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal
}

export interface ServerResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Whole, or streamed as it comes (watch, log); undefined for none. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined
}

/** What the edge needs of the API server. */
export interface RequestHandler {
  handle(request: ServerRequest): Promise<ServerResponse>
}
