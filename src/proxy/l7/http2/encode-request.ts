import { bytesOf } from '../http1/field-values.ts'
import { HEADER, headerSet } from '../http1/header-ids.ts'
import { GET, POST, type RequestHead } from '../http1/request-head.ts'
import { isGrpcContentType } from './grpc.ts'
import { STATIC_NAMES } from './hpack/static-table.ts'
import type { Http2Session } from './session.ts'
import type { SessionStream } from './session-stream.ts'

/** What does not exist in HTTP/2, or stands elsewhere. */
const DROPPED = headerSet(
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'upgrade',
  'http2-settings',
  'transfer-encoding',
)
const METHOD = bytesOf(':method')
const PATH = bytesOf(':path')
const AUTHORITY = bytesOf(':authority')
const TE = bytesOf('te: trailers')
/** Places in the static table. */
const METHOD_GET = 2
const METHOD_POST = 3
const PATH_ROOT = STATIC_NAMES.get(':path')!
const SCHEME_HTTP = 6
const SCHEME_HTTPS = 7
const FIELDS_ADDED = 5
const SLASH = 47

/** Sends a request's head, which stands in `b` as it was rewritten, on a stream to an endpoint. */
export function sendRequestHead(
  session: Http2Session,
  stream: SessionStream,
  head: RequestHead,
  b: Uint8Array,
  scheme: 'http' | 'https',
  isLast: boolean,
): void {
  const { lines, method, start, methodEnd, targetStart, targetEnd, hostStart, hostEnd } = head
  const { ids, nameStart, nameEnd, valueStart, valueEnd, count } = lines
  const { writer } = session
  const { encoder } = writer
  let p = writer.beginBlock(head.end - start + TE.length + 64, count + FIELDS_ADDED)
  const out = writer.output.bytes
  if (method === GET) p = encoder.indexed(METHOD_GET, out, p)
  else if (method === POST) p = encoder.indexed(METHOD_POST, out, p)
  else p = encoder.field(METHOD, 0, METHOD.length, b, start, methodEnd, 0, out, p)
  p = encoder.indexed(scheme === 'https' ? SCHEME_HTTPS : SCHEME_HTTP, out, p)
  p = encoder.field(AUTHORITY, 0, AUTHORITY.length, b, hostStart, hostEnd, 0, out, p)
  if (targetEnd - targetStart === 1 && b[targetStart] === SLASH) p = encoder.indexed(PATH_ROOT, out, p)
  else p = encoder.field(PATH, 0, PATH.length, b, targetStart, targetEnd, 0, out, p)
  let isGrpc = false
  for (let i = 0; i < count; i++) {
    const id = ids[i]!
    if (id !== 0 && ((DROPPED >>> (id & 31)) & 1) === 1) continue
    if (id === HEADER['content-type']) isGrpc = isGrpcContentType(b, valueStart[i]!, valueEnd[i]!)
    p = encoder.field(b, nameStart[i]!, nameEnd[i]!, b, valueStart[i]!, valueEnd[i]!, id, out, p)
  }
  // By this a gRPC server sees that no proxy on the way loses trailers.
  if (isGrpc) p = encoder.field(TE, 0, 2, TE, 4, TE.length, 0, out, p)
  session.endBlock(stream, p, isLast)
}
