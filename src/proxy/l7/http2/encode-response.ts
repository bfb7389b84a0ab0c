import { bytesOf } from '../http1/field-values.ts'
import { headerSet } from '../http1/header-ids.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import type { Http2Session } from './session.ts'
import type { SessionStream } from './session-stream.ts'

const HOP_BY_HOP = headerSet(
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'upgrade',
  'transfer-encoding',
  'proxy-authenticate',
  'http2-settings',
)
const LENGTH = headerSet('content-length')
const VIA = bytesOf('via: 1.1 ')
const VIA_NAME_END = 3
const ACCEPT = 'sec-websocket-accept'

/** The line that says that an answer came through this proxy. */
export function viaLine(pseudonym: string): Uint8Array {
  return bytesOf(`${Buffer.from(VIA).toString('latin1')}${pseudonym}\r\n`)
}

/**
 * Sends an endpoint's response head, which stands in `b`, on a client's stream. `status`: 200 in place of an upgrade's
 * 101, else its own. `via`, `added`: whole lines of ours.
 */
export function sendResponseHead(
  session: Http2Session,
  stream: SessionStream,
  head: ResponseHead,
  b: Uint8Array,
  status: number,
  via: Uint8Array,
  added: Uint8Array | undefined,
  isLast: boolean,
): void {
  const { lines, connection } = head
  const { ids, nameStart, nameEnd, valueStart, valueEnd, count } = lines
  const { writer } = session
  const { encoder } = writer
  const textBytes = head.end - head.start + via.length + (added?.length ?? 0)
  let p = writer.beginBlock(textBytes, count + 2)
  const out = writer.output.bytes
  p = encoder.status(status, out, p)
  const dropped = HOP_BY_HOP | (head.status < 200 || status === 204 ? LENGTH : 0)
  for (let i = 0; i < count; i++) {
    const id = ids[i]!
    if (id !== 0 && ((dropped >>> (id & 31)) & 1) === 1) continue
    if (connection.nominated > 0 && connection.isNominated(b, lines, i)) continue
    if (head.status === 101 && isAccept(b, nameStart[i]!, nameEnd[i]!)) continue
    p = encoder.field(b, nameStart[i]!, nameEnd[i]!, b, valueStart[i]!, valueEnd[i]!, id, out, p)
  }
  if (status >= 200) {
    p = encoder.field(via, 0, VIA_NAME_END, via, VIA_NAME_END + 2, via.length - 2, 0, out, p)
    if (added !== undefined) {
      const colon = added.indexOf(58)
      p = encoder.field(added, 0, colon, added, colon + 2, added.length - 2, 0, out, p)
    }
  }
  session.endBlock(stream, p, isLast)
}

function isAccept(b: Uint8Array, start: number, end: number): boolean {
  return (
    end - start === ACCEPT.length && Buffer.from(b.subarray(start, end)).toString('latin1').toLowerCase() === ACCEPT
  )
}
