import { DEFAULT_HEAD_LIMITS } from '../../../../src/proxy/l7/http1/head-limits.ts'
import { BODY_READ, HEAD_READ, MESSAGE_END, NEED_MORE, REFUSED } from '../../../../src/proxy/l7/http1/read-event.ts'
import { type RefusalName, refusalName } from '../../../../src/proxy/l7/http1/refusal.ts'
import { RequestHead } from '../../../../src/proxy/l7/http1/request-head.ts'
import { RequestReader } from '../../../../src/proxy/l7/http1/request-reader.ts'
import { ResponseHead } from '../../../../src/proxy/l7/http1/response-head.ts'
import { ResponseReader } from '../../../../src/proxy/l7/http1/response-reader.ts'

export interface ReadMessage {
  /** Offset in the whole input after the head. */
  readonly headEnd: number
  /** Offset in the whole input after the message. */
  readonly end: number
  readonly startLine: string
  /** Content, without framing. */
  readonly content: string
}

export interface ReadResult {
  readonly messages: readonly ReadMessage[]
  readonly refusal: RefusalName
}

interface Reader {
  readonly inbox: {
    feed(b: Uint8Array, start: number, end: number): void
    keep(): void
    bytes: Uint8Array
    size: number
  }
  readonly body: { splits: boolean; isContent: boolean }
  readonly from: number
  readonly to: number
  readonly refusal: number
}

/** Cuts at the given offsets and feeds piece by piece through one small buffer that is overwritten each time. */
function read(text: string, cuts: readonly number[], reader: Reader, next: () => number): ReadResult {
  const bytes = Buffer.from(text, 'latin1')
  const shared = new Uint8Array(bytes.length + 7)
  const messages: ReadMessage[] = []
  let startLine = ''
  let content = ''
  let headEnd = 0
  const offsets = [...new Set([0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length])].sort(
    (x, y) => x - y,
  )
  for (let i = 1; i < offsets.length; i++) {
    const start = offsets[i - 1]!
    const end = offsets[i]!
    shared.fill(0x58)
    shared.set(bytes.subarray(start, end), i % 7)
    reader.inbox.feed(shared, i % 7, (i % 7) + end - start)
    for (;;) {
      const event = next()
      const consumed = end - reader.inbox.size
      if (event === NEED_MORE) break
      if (event === REFUSED) return { messages, refusal: refusalName(reader.refusal) }
      const part = Buffer.from(reader.inbox.bytes.subarray(reader.from, reader.to)).toString('latin1')
      if (event === HEAD_READ) {
        startLine = part.replace(/^\r\n/, '').split('\r\n')[0]!
        content = ''
        headEnd = consumed
        reader.body.splits = true
      } else if (event === BODY_READ) {
        if (reader.body.isContent) content += part
      } else if (event === MESSAGE_END) messages.push({ headEnd, end: consumed, startLine, content })
    }
    reader.inbox.keep()
  }
  return { messages, refusal: 'none' }
}

export function readRequests(text: string, cuts: readonly number[] = [], limits = DEFAULT_HEAD_LIMITS): ReadResult {
  const reader = new RequestReader(new RequestHead(limits), limits.headBytesMax)
  return read(text, cuts, reader, () => reader.next())
}

export function readResponses(text: string, cuts: readonly number[] = [], toHead = false): ReadResult {
  const reader = new ResponseReader(new ResponseHead(DEFAULT_HEAD_LIMITS), DEFAULT_HEAD_LIMITS.headBytesMax)
  return read(text, cuts, reader, () => reader.next(toHead))
}
