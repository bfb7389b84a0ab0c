import { Inbox } from './inbox.ts'
import { MessageBody } from './message-body.ts'
import { BODY_READ, MESSAGE_END, NEED_MORE, REFUSED, type ReadEvent } from './read-event.ts'

export const AT_HEAD = 0
export const IN_BODY = 1
/** What follows is no message. */
export const TUNNEL = 2
/** Nothing that follows can be trusted. */
export const BROKEN = 3

/** What readers of requests and of responses have in common: the bytes, where they are in them, and bodies. */
export abstract class MessageReader {
  readonly inbox = new Inbox()
  readonly body = new MessageBody()
  refusal = 0
  from = 0
  to = 0
  protected state = AT_HEAD
  readonly #headBytesMax: number

  constructor(headBytesMax: number) {
    this.#headBytesMax = headBytesMax
  }

  /** A head has been read and its message is not over. */
  get isInBody(): boolean {
    return this.state === IN_BODY
  }

  /** Too little has come for a head; one that drips in is not looked at again for each drop. */
  protected get lacksHead(): boolean {
    const { inbox } = this
    return inbox.at === inbox.end || (!inbox.hasNewLine && inbox.size < this.#headBytesMax)
  }

  protected nextOfBody(): ReadEvent {
    const { inbox, body } = this
    if (body.isDone) {
      this.state = AT_HEAD
      return MESSAGE_END
    }
    if (inbox.at === inbox.end) return NEED_MORE
    const at = body.advance(inbox.bytes, inbox.at, inbox.end)
    if (at === -1) return this.refuse(body.refusal)
    this.from = inbox.at
    this.to = inbox.at = at
    return BODY_READ
  }

  protected refuse(refusal: number): ReadEvent {
    this.refusal = refusal
    this.state = BROKEN
    return REFUSED
  }
}
