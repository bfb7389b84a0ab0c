import { UNTIL_CLOSE } from './framing.ts'
import { Inbox } from './inbox.ts'
import { MessageBody } from './message-body.ts'
import { BODY_READ, HEAD_READ, MESSAGE_END, NEED_MORE, REFUSED, type ReadEvent } from './read-event.ts'
import { REFUSAL } from './refusal.ts'
import type { ResponseHead } from './response-head.ts'

/** Interim responses before one final one; more is a flood. */
const INTERIM_MAX = 16

const AT_HEAD = 0
const IN_BODY = 1
const TUNNEL = 2
const BROKEN = 3

/**
 * The responses of one connection, read as `RequestReader` reads requests. Whoever reads says before each head whether
 * the request was HEAD. An interim response (1xx) is a head alone; after 101 nothing is read as messages any more.
 */
export class ResponseReader {
  readonly inbox = new Inbox()
  readonly body = new MessageBody()
  readonly head: ResponseHead
  refusal = 0
  from = 0
  to = 0
  #state = AT_HEAD
  #interim = 0
  readonly #headBytesMax: number

  constructor(head: ResponseHead, headBytesMax: number) {
    this.head = head
    this.#headBytesMax = headBytesMax
  }

  get isInBody(): boolean {
    return this.#state === IN_BODY
  }

  next(toHead: boolean): ReadEvent {
    const { inbox } = this
    if (this.#state === IN_BODY) return this.#nextOfBody()
    if (this.#state === BROKEN) return REFUSED
    if (this.#state === TUNNEL || inbox.at === inbox.end) return NEED_MORE
    if (!inbox.hasNewLine && inbox.size < this.#headBytesMax) return NEED_MORE
    const { head } = this
    const at = head.scan(inbox.bytes, inbox.at, inbox.end, toHead)
    if (at === 0) {
      inbox.hasNewLine = false
      return NEED_MORE
    }
    if (at === -1) return this.#refuse(head.refusal)
    this.from = inbox.at
    this.to = inbox.at = at
    if (head.status < 200) {
      if (head.status === 101) this.#state = TUNNEL
      else if (++this.#interim > INTERIM_MAX) return this.#refuse(REFUSAL['too-many-interim-responses'])
      return HEAD_READ
    }
    this.#interim = 0
    this.body.begin(head.framing, head.contentLength)
    this.#state = IN_BODY
    return HEAD_READ
  }

  /** The connection has ended: MESSAGE_END when that ends the response as it should. */
  finish(): ReadEvent {
    if (this.#state !== IN_BODY || this.body.framing !== UNTIL_CLOSE) return NEED_MORE
    this.#state = BROKEN
    return MESSAGE_END
  }

  #nextOfBody(): ReadEvent {
    const { inbox, body } = this
    if (body.isDone) {
      this.#state = AT_HEAD
      return MESSAGE_END
    }
    if (inbox.at === inbox.end) return NEED_MORE
    const at = body.advance(inbox.bytes, inbox.at, inbox.end)
    if (at === -1) return this.#refuse(body.refusal)
    this.from = inbox.at
    this.to = inbox.at = at
    return BODY_READ
  }

  #refuse(refusal: number): ReadEvent {
    this.refusal = refusal
    this.#state = BROKEN
    return REFUSED
  }
}
