import { UNTIL_CLOSE } from './framing.ts'
import { BROKEN, IN_BODY, MessageReader, TUNNEL } from './message-reader.ts'
import { HEAD_READ, MESSAGE_END, NEED_MORE, REFUSED, type ReadEvent } from './read-event.ts'
import { REFUSAL } from './refusal.ts'
import type { ResponseHead } from './response-head.ts'

/** Interim responses before one final one; more is a flood. */
const INTERIM_MAX = 16

/**
 * The responses of one connection, read as `RequestReader` reads requests. Whoever reads says before each head whether
 * the request was HEAD. An interim response (1xx) is a head alone; after 101 nothing is read as messages any more.
 */
export class ResponseReader extends MessageReader {
  readonly head: ResponseHead
  #interim = 0

  constructor(head: ResponseHead, headBytesMax: number) {
    super(headBytesMax)
    this.head = head
  }

  next(toHead: boolean): ReadEvent {
    if (this.state === IN_BODY) return this.nextOfBody()
    if (this.state === BROKEN) return REFUSED
    if (this.state === TUNNEL || this.lacksHead) return NEED_MORE
    const { inbox, head } = this
    const at = head.scan(inbox.bytes, inbox.at, inbox.end, toHead)
    if (at === 0) {
      inbox.hasNewLine = false
      return NEED_MORE
    }
    if (at === -1) return this.refuse(head.refusal)
    this.from = inbox.at
    this.to = inbox.at = at
    if (head.status < 200) {
      if (head.status === 101) this.state = TUNNEL
      else if (++this.#interim > INTERIM_MAX) return this.refuse(REFUSAL['too-many-interim-responses'])
      return HEAD_READ
    }
    this.#interim = 0
    this.body.begin(head.framing, head.contentLength)
    this.state = IN_BODY
    return HEAD_READ
  }

  /** The connection has ended: MESSAGE_END when that ends the response as it should. */
  finish(): ReadEvent {
    if (this.state !== IN_BODY || this.body.framing !== UNTIL_CLOSE) return NEED_MORE
    this.state = BROKEN
    return MESSAGE_END
  }
}
