import { AT_HEAD, BROKEN, IN_BODY, MessageReader } from './message-reader.ts'
import { HEAD_READ, NEED_MORE, REFUSED, type ReadEvent } from './read-event.ts'
import type { RequestHead } from './request-head.ts'

/**
 * The requests of one connection, read from its bytes one event at a time, so that the caller decides when to go on.
 * Independent of how the bytes were split. `head` is shared: what it says holds until the next call of any reader.
 */
export class RequestReader extends MessageReader {
  readonly head: RequestHead

  constructor(head: RequestHead, headBytesMax: number) {
    super(headBytesMax)
    this.head = head
  }

  /** Nothing of the next one has come. */
  get isBetweenMessages(): boolean {
    return this.state === AT_HEAD && this.inbox.size === 0
  }

  next(): ReadEvent {
    if (this.state === IN_BODY) return this.nextOfBody()
    if (this.state === BROKEN) return REFUSED
    if (this.lacksHead) return NEED_MORE
    const { inbox, head } = this
    const at = head.scan(inbox.bytes, inbox.at, inbox.end)
    if (at === 0) {
      inbox.hasNewLine = false
      return NEED_MORE
    }
    if (at === -1) return this.refuse(head.refusal)
    this.from = inbox.at
    this.to = inbox.at = at
    this.body.begin(head.framing, head.contentLength)
    this.state = IN_BODY
    return HEAD_READ
  }
}
