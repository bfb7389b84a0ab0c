import { ByteQueue } from './byte-queue.ts'
import type { KnownStream } from './known-stream.ts'
import { ReceiveWindow } from './receive-window.ts'
import type { Http2Session } from './session.ts'

/**
 * One stream's flow control in both directions, whichever side opened it. Data that the other side has no room for is
 * kept here; who produces it is told to wait, so that it is never more than what was at hand at that moment.
 */
export abstract class SessionStream implements KnownStream {
  /** 0: it has not been opened yet. */
  id: number
  readonly session: Http2Session
  sendWindow: number
  /** This side has said all. */
  isLocalEnded = false
  isRemoteEnded = false
  isClosed = false
  /** Each side ends by itself, as a connection's do. */
  isTunnel = false
  /** The next time limit; monotonic. */
  deadlineMs = Number.POSITIVE_INFINITY
  readonly #receiveWindow: ReceiveWindow
  #queue: ByteQueue | undefined
  /** Received, and not gone on yet. */
  #heldBytes = 0
  #endsAfterQueue = false
  /** Written behind the queue: whole lines. */
  #trailers: Uint8Array | undefined

  constructor(session: Http2Session, id: number) {
    this.session = session
    this.id = id
    this.sendWindow = session.peer.windowBytes
    const { streamWindowBytes } = session.settings
    this.#receiveWindow = new ReceiveWindow(streamWindowBytes, streamWindowBytes)
  }

  /** Fields are in the session's block: a head, or, after one, trailers. */
  abstract onHead(isLast: boolean): void
  /** Content; `creditBytes` of the window are to be given back when it has gone on. */
  abstract onData(b: Uint8Array, start: number, end: number, isLast: boolean): void
  /** The other side, or the session's end, has ended it before its time. It is known no longer. */
  abstract onReset(code: number, isSafe: boolean): void
  /** The time for something has passed, perhaps. */
  abstract expire(nowMs: number): void
  /** All that was waiting has gone; more is welcome. */
  abstract onWritable(): void

  /** Sent as far as this side is concerned, but not yet. */
  get queuedBytes(): number {
    return this.#queue?.bytes ?? 0
  }

  /** Sends content, as far as windows allow. True: send no more until `onWritable`. */
  sendData(b: Uint8Array, start: number, end: number): boolean {
    const { session } = this
    if (this.queuedBytes > 0 || session.isBlocked) {
      this.#enqueue(b, start, end)
      return true
    }
    const count = Math.min(end - start, this.sendWindow, session.sendWindow)
    if (count > 0) session.writeData(this, b, start, start + count)
    if (count < end - start) this.#enqueue(b, start + count, end)
    else if (!session.isBlocked) return false
    session.waitToSend(this)
    return true
  }

  /** Nothing more will be sent, but `trailers`, whole lines, if there are any. */
  sendEnd(trailers: Uint8Array | undefined): void {
    if (this.queuedBytes > 0) {
      this.#trailers = trailers
      this.#endsAfterQueue = true
      return
    }
    this.#writeEnd(trailers)
  }

  /** Windows have opened, or the connection takes more again. */
  sendQueued(): void {
    const { session } = this
    const queue = this.#queue
    while (queue !== undefined && queue.bytes > 0 && !session.isBlocked) {
      const first = queue.first()
      const count = Math.min(first.length, this.sendWindow, session.sendWindow)
      if (count <= 0) break
      session.writeData(this, first, 0, count)
      queue.take(count)
    }
    if (this.queuedBytes > 0 || session.isBlocked) {
      session.waitToSend(this)
      return
    }
    if (this.#endsAfterQueue) {
      const trailers = this.#trailers
      this.#endsAfterQueue = false
      this.#writeEnd(trailers)
    } else this.onWritable()
  }

  /** `bytes` of what came have gone on: the other side may send as much again. */
  credit(bytes: number): void {
    this.drop(bytes)
    if (this.isRemoteEnded || this.isClosed) return
    const grownBytes = this.#receiveWindow.credit(bytes)
    if (grownBytes > 0) this.session.writer.windowUpdate(this.id, grownBytes)
  }

  /** `bytes` came and count against the windows until they are credited or dropped. False: more than were allowed. */
  received(bytes: number): boolean {
    if (this.session.holdsConnection) this.#heldBytes += bytes
    else this.session.creditConnection(bytes)
    return this.#receiveWindow.take(bytes)
  }

  /** `bytes` of what came are of no use: the other side gets room for other streams. */
  drop(bytes: number): void {
    if (this.isClosed || !this.session.holdsConnection) return
    this.#heldBytes -= bytes
    this.session.creditConnection(bytes)
  }

  /** It is known no longer. What had not gone on never will, and must not be missing to other streams. */
  forget(): void {
    this.drop(this.#heldBytes)
    this.isClosed = true
    this.#queue = undefined
    this.#endsAfterQueue = false
  }

  #writeEnd(trailers: Uint8Array | undefined): void {
    this.isLocalEnded = true
    this.session.writeEnd(this, trailers)
    this.session.ended(this)
  }

  #enqueue(b: Uint8Array, start: number, end: number): void {
    if (end > start) {
      this.#queue ??= new ByteQueue()
      this.#queue.push(b, start, end)
    }
    this.session.waitToSend(this)
  }
}
