import { SPACE } from './byte-classes.ts'
import { appendBytes, copyBytes } from './copy-bytes.ts'
import { copyKeptLines } from './copy-kept-lines.ts'
import { bytesOf } from './field-values.ts'
import { HEADER, headerSet } from './header-ids.ts'
import type { ResponseHead } from './response-head.ts'

const VERSION = bytesOf('HTTP/1.1 ')
const ENCODING = bytesOf('Transfer-Encoding: chunked\r\n')
const CLOSE = bytesOf('Connection: close\r\n')
const KEEP_ALIVE = bytesOf('Connection: keep-alive\r\n')
const UPGRADE = bytesOf('Connection: Upgrade\r\n')
const CRLF = bytesOf('\r\n')

const HOP_BY_HOP = headerSet(
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'upgrade',
  'transfer-encoding',
  'proxy-authenticate',
)
const ENCODED = headerSet('transfer-encoding')
const LENGTH = headerSet('content-length')
const ADDED_BYTES_MAX = 256

/** What the client is told of its connection. */
export const SAYS_NOTHING = 0
export const SAYS_CLOSE = 1
/** For HTTP/1.0 clients that asked to go on. */
export const SAYS_KEEP_ALIVE = 2
export type ConnectionWord = typeof SAYS_NOTHING | typeof SAYS_CLOSE | typeof SAYS_KEEP_ALIVE

/** Rewrites response heads for the client. */
export class ResponseForwarder {
  readonly #via: Uint8Array

  constructor(pseudonym: string) {
    this.#via = bytesOf(`Via: 1.1 ${pseudonym}\r\n`)
  }

  /** Room that `write` may need. */
  bytesMax(head: ResponseHead): number {
    return head.end - head.start + this.#via.length + ADDED_BYTES_MAX
  }

  /** `takesChunks`: the client speaks HTTP/1.1; `added`: whole header lines of ours. Writes to `out` from `at`; returns where the head ends. */
  write(
    head: ResponseHead,
    b: Uint8Array,
    takesChunks: boolean,
    word: ConnectionWord,
    out: Uint8Array,
    at: number,
    added?: Uint8Array,
  ): number {
    const { status, present } = head
    let p = appendBytes(VERSION, out, at)
    p = copyBytes(b, head.statusStart, head.statusEnd, out, p)
    if (head.statusEnd - head.statusStart === 3) out[p++] = SPACE
    p = appendBytes(CRLF, out, p)
    let dropped = HOP_BY_HOP
    if (status === 101 || status === 426) dropped &= ~(1 << HEADER.upgrade)
    if (status < 200 || status === 204) dropped |= LENGTH
    p = copyKeptLines(head, b, dropped, out, p)
    if (status < 200) {
      if (status === 101) p = appendBytes(UPGRADE, out, p)
      return appendBytes(CRLF, out, p)
    }
    p = appendBytes(this.#via, out, p)
    if (added !== undefined) p = appendBytes(added, out, p)
    if (takesChunks && (present & ENCODED) !== 0) p = appendBytes(ENCODING, out, p)
    if (word === SAYS_CLOSE) p = appendBytes(CLOSE, out, p)
    else if (word === SAYS_KEEP_ALIVE) p = appendBytes(KEEP_ALIVE, out, p)
    return appendBytes(CRLF, out, p)
  }
}
