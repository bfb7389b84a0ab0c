import type { Duplex } from 'node:stream'
import type { User } from './user.ts'

/** One request as the API server sees it, whatever brought it. */
export interface ServerRequest {
  readonly method: string
  /** Still percent-encoded, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** Lower-case names; repeated headers are joined with `, `. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Who asks; undefined for credentials that do not hold. */
  readonly user: User | undefined
  /** Where from, for the audit log. */
  readonly sourceIp?: string
  /**
   * Reads the body, empty when there is none. Not called for a request that is refused, so that nobody makes the server
   * hold what it will not look at. Rejects with StatusError 413 for one that is too large.
   */
  readBody(): Promise<Uint8Array>
  /** True when the client asks to go on in another protocol, over a connection that can (RFC 9110 §7.8). */
  readonly canUpgrade?: boolean
  /** Aborts when the client goes away before the answer is complete; made when first asked for. */
  gone(): AbortSignal
}

export interface ServerResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Whole, or streamed as it comes (watch, log); undefined for none. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined
  /** With status 101 and no body: what the client's connection is joined with after the head. */
  readonly tunnel?: Duplex
}

/** What the edge needs of the API server. */
export interface RequestHandler {
  handle(request: ServerRequest): Promise<ServerResponse>
}
