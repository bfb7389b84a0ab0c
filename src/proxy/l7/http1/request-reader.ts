import { Inbox } from './inbox.ts'
import { MessageBody } from './message-body.ts'
import { BODY_READ, HEAD_READ, MESSAGE_END, NEED_MORE, REFUSED, type ReadEvent } from './read-event.ts'
import type { RequestHead } from './request-head.ts'

const AT_HEAD = 0
const IN_BODY = 1
const BROKEN = 2

/**
 * The requests of one connection, read from its bytes one event at a time, so that the caller decides when to go on.
 * Independent of how the bytes were split. `head` is shared: what it says holds until the next call of any reader.
 */
export class RequestReader {
  readonly inbox = new Inbox()
  readonly body = new MessageBody()
  readonly head: RequestHead
  refusal = 0
  from = 0
  to = 0
  #state = AT_HEAD
  readonly #headBytesMax: number

  constructor(head: RequestHead, headBytesMax: number) {
    this.head = head
    this.#headBytesMax = headBytesMax
  }

  /** Within a message, its head included. */
  get isBetweenMessages(): boolean {
    return this.#state === AT_HEAD && this.inbox.size === 0
  }

  /** A head has been read and its message is not over. */
  get isInBody(): boolean {
    return this.#state === IN_BODY
  }

  next(): ReadEvent {
    const { inbox } = this
    if (this.#state === IN_BODY) return this.#nextOfBody()
    if (this.#state === BROKEN) return REFUSED
    if (inbox.at === inbox.end) return NEED_MORE
    // A head that drips in is not read again for each drop.
    if (!inbox.hasNewLine && inbox.size < this.#headBytesMax) return NEED_MORE
    const at = this.head.scan(inbox.bytes, inbox.at, inbox.end)
    if (at === 0) {
      inbox.hasNewLine = false
      return NEED_MORE
    }
    if (at === -1) return this.#refuse(this.head.refusal)
    this.from = inbox.at
    this.to = inbox.at = at
    this.body.begin(this.head.framing, this.head.contentLength)
    this.#state = IN_BODY
    return HEAD_READ
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
