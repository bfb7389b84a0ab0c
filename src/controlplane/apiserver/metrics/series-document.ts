import { methodNotAllowed, pathNotFound } from '../refusals.ts'
import type { ServerResponse } from '../server-request.ts'

/** Something for a monitoring system to read, made while it is read. */
export interface SeriesDocument {
  readonly contentType: string
  readonly body: AsyncIterable<Uint8Array>
}

/** The answer to a GET below `/metrics/`. Throws NotFound where there is nothing, and MethodNotAllowed. */
export function seriesResponse(method: string, document: SeriesDocument | undefined): ServerResponse {
  if (document === undefined) throw pathNotFound()
  if (method !== 'GET' && method !== 'HEAD') throw methodNotAllowed()
  const headers = { 'content-type': document.contentType, 'cache-control': 'no-cache, private' }
  return { status: 200, headers, body: method === 'HEAD' ? undefined : document.body }
}
