import type { TLSSocket } from 'node:tls'
import { parseKeepAliveTimeout } from '../http1/keep-alive-timeout.ts'
import { BODY_READ, HEAD_READ, MESSAGE_END, NEED_MORE } from '../http1/read-event.ts'
import { refusalName } from '../http1/refusal.ts'
import { ResponseReader } from '../http1/response-reader.ts'
import { connectError } from './connect-error.ts'
import type { Deadlines } from './deadlines.ts'
import type { EngineContext } from './engine-context.ts'
import type { OutboxChunk } from './outbox.ts'
import { PROXY_ERRORS, type ProxyError } from './proxy-error.ts'
import { type QueuedRequest, RequestQueue } from './request-queue.ts'
import type { ResponseReceiver } from './response-receiver.ts'
import type { TunnelSide } from './tunnel-side.ts'
import type { ConnectionTimeouts } from './upstream-timeouts.ts'
import type { UpstreamTransport } from './upstream-transport.ts'
import { Wire } from './wire.ts'

/** The endpoint that a connection leads to. */
export interface ConnectionOwner {
  readonly address: string
  readonly port: number
  readonly timeouts: ConnectionTimeouts
  readonly transport: UpstreamTransport
  /** It has no request any more and can take another. */
  becameIdle(connection: UpstreamConnection): void
  closed(connection: UpstreamConnection): void
  /** A request was answered so long after it had been sent. */
  answered(latencyMs: number, nowMs: number): void
  /** After so long without the next answer, those behind it are not to wait any longer. */
  readonly stallAfterMs: number
  /** Requests waited behind one that was slow. */
  stalled(nowMs: number): void
}

/** Content of unwanted responses that is read before the connection is given up instead. */
const UNWANTED_BYTES_MAX = 64 * 1024
/** With so much to come, memory of its own is worth its while. */
const BULK_BYTES = 32 * 1024
const NO_BYTES = new Uint8Array(0)

/**
 * One connection to an endpoint and the requests sent on it, which are answered in their order. Requests lie in chunks
 * of memory that stay until the answer is there: what is written from, and what another connection sends again when
 * this one breaks.
 */
export class UpstreamConnection {
  deadlineMs: number
  isConnected = false
  /** Ends with the answer to the request that is answered next; those behind it go elsewhere. */
  isClosing = false
  /** Requests behind others are allowed. */
  isShared = false
  /** Used for one client only. */
  readonly isDedicated: boolean
  readonly #context: EngineContext
  readonly #owner: ConnectionOwner
  readonly #wire: Wire
  readonly #tls: TLSSocket | undefined
  readonly #reader: ResponseReader
  readonly #deadlines: Deadlines
  readonly #queue = new RequestQueue()
  #served = 0
  #chunk: OutboxChunk | undefined
  #flushedTo = 0
  #isFlushPlanned = false
  #isPaused = false
  #isClosed = false
  #isLeaving = false
  #lastAnswerMs = 0
  #unwantedBytes = 0
  /** The endpoint closes idle connections after so long, as far as it says. */
  #idleMs: number
  #tunnel: TunnelSide | undefined

  /** `preface`: what is said first, before TLS too. */
  constructor(context: EngineContext, owner: ConnectionOwner, preface: Uint8Array | undefined, nowMs: number) {
    this.#context = context
    this.#owner = owner
    this.#reader = new ResponseReader(context.responseHead, context.settings.limits.headBytesMax)
    this.#idleMs = owner.timeouts.idleMs
    this.deadlineMs = nowMs + owner.timeouts.connectMs
    this.isDedicated = preface !== undefined
    const { address, port, transport } = owner
    const secure = transport.tls?.connect(address, port, preface)
    this.#tls = secure?.encrypted
    this.#wire = new Wire(context, this, secure)
    this.#deadlines = owner.timeouts.areShort ? context.shortDeadlines : context.deadlines
    this.#deadlines.add(this)
    if (secure !== undefined) {
      secure.encrypted.once('secureConnect', () => this.#onConnect())
      this.#wire.resume()
      return
    }
    this.#wire.connect(address, port, () => this.#onConnect())
    if (preface !== undefined) this.#wire.write(preface)
  }

  /** Requests under way. */
  get count(): number {
    return this.#queue.count
  }

  get wire(): Wire {
    return this.#wire
  }

  get isUsable(): boolean {
    return !this.isClosing && !this.#isLeaving && !this.#isClosed
  }

  /** Requests have waited too long behind the next one. */
  isStalled(nowMs: number): boolean {
    return this.count > 1 && nowMs - this.#waitingSinceMs() >= this.#owner.stallAfterMs
  }

  /** Where a request of up to `bytes` may be written to, in `outbox`; `push` follows. */
  room(bytes: number): number {
    let chunk = this.#chunk
    if (chunk !== undefined && chunk.bytes.length - chunk.used < bytes) {
      this.flushNow()
      if (chunk.live === 0 && this.#wire.isPending === false) this.#context.outboxChunks.giveBack(chunk)
      chunk = undefined
    }
    if (chunk === undefined) {
      chunk = this.#context.outboxChunks.take(bytes)
      this.#chunk = chunk
      this.#flushedTo = 0
    }
    return chunk.used
  }

  get outbox(): Uint8Array {
    return this.#chunk!.bytes
  }

  /** The request that was written from `room` to `end` is under way. `isLast`: the connection closes after it. */
  push(receiver: ResponseReceiver, toHead: boolean, end: number, nowMs: number, isLast: boolean): void {
    const slot = this.#queue.add()
    const chunk = this.#chunk!
    slot.receiver = receiver
    slot.chunk = chunk
    slot.start = chunk.used
    slot.end = end
    slot.toHead = toHead
    slot.isWhole = true
    slot.hasBegun = false
    slot.sentAtMs = nowMs
    chunk.used = end
    chunk.live++
    if (isLast) this.isClosing = true
    if (this.isConnected && this.count === 1) this.deadlineMs = nowMs + this.#owner.timeouts.responseMs
    this.#planFlush()
  }

  /** A part of the last request's body. True: hand over no more until `resumeRequest`. */
  appendBody(b: Uint8Array, start: number, end: number, from: Wire, nowMs: number): boolean {
    const slot = this.#queue.last
    if (this.isConnected) this.deadlineMs = nowMs + this.#owner.timeouts.responseMs
    const chunk = this.#chunk!
    const size = end - start
    // As long as it fits: in fewer writes, and whole when it has to be sent again.
    if (slot.isWhole && slot.chunk === chunk && chunk.used === slot.end && chunk.bytes.length - chunk.used >= size) {
      chunk.bytes.set(b.subarray(start, end), chunk.used)
      chunk.used += size
      slot.end = chunk.used
      this.#planFlush()
      return !this.isConnected
    }
    slot.isWhole = false
    this.flushNow()
    this.#wire.passOn(from, b, start, end)
    return this.#wire.isPending || !this.isConnected
  }

  /** The receiver of the request at hand can take more of the response. */
  resumeResponse(): void {
    this.#wire.returned()
    if (!this.#isPaused) return
    this.#isPaused = false
    const { clock, settings } = this.#context
    const hasBegun = this.count > 0 && this.#queue.first.hasBegun
    this.deadlineMs = clock.monotonic() + (hasBegun ? settings.bodyMs : this.#owner.timeouts.responseMs)
    this.#wire.resume()
  }

  /** `receiver` wants no response any more. */
  abandon(receiver: ResponseReceiver): void {
    for (let i = 0; i < this.count; i++) {
      const slot = this.#queue.at(i)
      if (slot.receiver !== receiver) continue
      slot.receiver = undefined
      if (!this.isShared) this.destroy()
      else if (i === 0 && this.#isPaused) {
        this.#isPaused = false
        this.#wire.resume()
      }
      return
    }
  }

  /** The requests behind the first go elsewhere; this connection ends with its answer. */
  moveWaiting(nowMs: number): void {
    this.#owner.stalled(nowMs)
    this.isClosing = true
    const moved = this.#queue.takeFrom(1)
    for (const slot of moved) {
      const { receiver, chunk, start, end } = slot
      if (receiver !== undefined) receiver.moved(chunk!.bytes, start, end)
      this.#release(slot)
    }
  }

  flush(): void {
    this.#isFlushPlanned = false
    this.flushNow()
  }

  flushNow(): void {
    const chunk = this.#chunk
    if (chunk === undefined || this.#flushedTo === chunk.used || this.#wire.isDestroyed) return
    const from = this.#flushedTo
    this.#flushedTo = chunk.used
    this.#wire.write(chunk.bytes.subarray(from, chunk.used))
  }

  /** Ends the connection at once. Requests under way fail. */
  destroy(): void {
    this.isClosing = true
    if (!this.#wire.isDestroyed) this.#wire.socket.destroy()
  }

  /** No further requests; ends when those under way are answered. */
  close(): void {
    this.#isLeaving = true
    if (this.count === 0 && this.#tunnel === undefined) this.destroy()
  }

  expire(): void {
    if (this.count === 0) {
      this.destroy()
      return
    }
    const slot = this.#queue.first
    const error = this.isConnected ? PROXY_ERRORS.responseTimeout : PROXY_ERRORS.connectTimeout
    if (this.isConnected) {
      const [first] = this.#queue.takeFrom(0, 1)
      this.#fail(first!, error, slot.hasBegun ? 'the response stopped' : 'no response in time')
      if (this.count > 0) this.#moveAll()
    } else this.#failAll(error, 'no connection in time')
    this.destroy()
  }

  onBytes(count: number, b: Uint8Array): boolean {
    if (this.#tunnel !== undefined) return this.#tunnel.bytes(b, count)
    const nowMs = this.#context.clock.monotonic()
    const { inbox } = this.#reader
    inbox.feed(b, 0, count)
    this.#readResponses(nowMs)
    inbox.keep()
    const { isInBody, body } = this.#reader
    this.#wire.isBulk = isInBody && (count === b.length || body.leftBytes >= BULK_BYTES)
    return !this.#isPaused
  }

  onDrained(): void {
    if (this.#tunnel !== undefined) this.#tunnel.drained()
    else if (this.count > 0) this.#queue.last.receiver?.resumeRequest()
  }

  onEnd(): void {
    if (this.#tunnel !== undefined) {
      this.#tunnel.end()
      return
    }
    if (this.count > 0 && this.#reader.finish() === MESSAGE_END) {
      this.isClosing = true
      this.#finishFirst(this.#context.clock.monotonic())
    }
    this.destroy()
  }

  onClose(): void {
    this.#isClosed = true
    this.isClosing = true
    this.#deadlines.delete(this)
    this.#owner.closed(this)
    if (this.#tunnel !== undefined) this.#tunnel.closed()
    else if (!this.isConnected) this.#failAll(connectError(this.#tls), 'no connection')
    else {
      this.#failAll(
        this.#served > 0 ? PROXY_ERRORS.reusedConnectionBroke : PROXY_ERRORS.connectionBroke,
        'the connection ended before the response did',
      )
    }
    const chunk = this.#chunk
    // A write that was still pending keeps its memory.
    if (chunk !== undefined && chunk.live === 0 && !this.#wire.isPending) this.#context.outboxChunks.giveBack(chunk)
    this.#chunk = undefined
  }

  /** When the request that is to be answered next began to be the next one. */
  #waitingSinceMs(): number {
    return Math.max(this.#queue.first.sentAtMs, this.#lastAnswerMs)
  }

  #onConnect(): void {
    this.isConnected = true
    const nowMs = this.#context.clock.monotonic()
    this.#lastAnswerMs = nowMs
    this.deadlineMs = nowMs + (this.count > 0 ? this.#owner.timeouts.responseMs : this.#idleMs)
    if (this.count > 0 && !this.#wire.isPending) this.onDrained()
  }

  #readResponses(nowMs: number): void {
    const reader = this.#reader
    const { inbox } = reader
    const { responseHead, settings } = this.#context
    for (;;) {
      if (this.#wire.isDestroyed) return
      if (this.count === 0) {
        // Nobody asked: whatever this answers, it must not be taken for the answer to the next request.
        if (inbox.size > 0) this.destroy()
        return
      }
      const slot = this.#queue.first
      let { receiver } = slot
      const event = reader.next(slot.toHead)
      if (event === NEED_MORE) {
        if (slot.hasBegun) {
          receiver?.responsePart()
          this.deadlineMs = this.#isPaused ? Number.POSITIVE_INFINITY : nowMs + settings.bodyMs
        }
        return
      }
      if (event === HEAD_READ) {
        if (responseHead.status === 101) {
          this.#upgrade(slot)
          return
        }
        if (responseHead.status < 200) {
          if (receiver?.interimResponse(inbox.bytes) === true) this.#isPaused = true
          // Who does not take it has time limits of his own.
          this.deadlineMs = this.#isPaused ? Number.POSITIVE_INFINITY : nowMs + this.#owner.timeouts.responseMs
          continue
        }
        if (responseHead.status >= 500 && isRetried(slot, responseHead.status, nowMs)) {
          slot.receiver = undefined
          receiver = undefined
          // An interim response may have been too much for who waits elsewhere now.
          this.#isPaused = false
        }
        slot.hasBegun = true
        if (!responseHead.keepsAlive) this.isClosing = true
        else if (responseHead.keepAliveLine !== -1) this.#readKeepAlive(inbox.bytes)
        // An answer before the end of the question: the rest of the question must not be taken for the next one.
        if (receiver !== undefined && !receiver.isRequestDone) this.isClosing = true
        slot.contentOnly = receiver?.responseHead(inbox.bytes, nowMs) === true
        reader.body.splits = slot.contentOnly
      } else if (event === BODY_READ) {
        if (receiver === undefined) this.#dropBody(reader.to - reader.from)
        else if (slot.contentOnly && !reader.body.isContent) continue
        else if (receiver.responseBody(inbox.bytes, reader.from, reader.to, this.#wire)) this.#isPaused = true
      } else if (event === MESSAGE_END) {
        this.#finishFirst(nowMs)
      } else {
        const [first] = this.#queue.takeFrom(0, 1)
        this.#fail(first!, PROXY_ERRORS.badResponse, refusalName(reader.refusal))
        this.#moveAll()
        this.destroy()
        return
      }
    }
  }

  #finishFirst(nowMs: number): void {
    const slot = this.#queue.first
    const { receiver } = slot
    const isComplete = receiver === undefined || receiver.isRequestDone
    const latencyMs = nowMs - slot.sentAtMs
    this.#queue.shift()
    this.#served++
    this.#unwantedBytes = 0
    this.#lastAnswerMs = nowMs
    // Whatever the receiver has not yet written on is in memory that is not read into again.
    this.#isPaused = false
    this.#release(slot)
    this.#owner.answered(latencyMs, nowMs)
    if (!isComplete) this.isClosing = true
    if (this.isClosing) {
      // Those behind will get no answer here.
      if (this.count > 0) this.#moveAll()
      receiver?.responseEnd(nowMs)
      this.destroy()
      return
    }
    if (this.count > 0) this.deadlineMs = nowMs + this.#owner.timeouts.responseMs
    else if (this.#wire.isPending) {
      // Answered before all of it was sent: what is still to be sent must not be changed, nor be taken for a request.
      this.#chunk = undefined
      this.isClosing = true
      receiver?.responseEnd(nowMs)
      this.destroy()
      return
    } else this.#becomeIdle(nowMs)
    receiver?.responseEnd(nowMs)
  }

  #becomeIdle(nowMs: number): void {
    const chunk = this.#chunk
    if (chunk !== undefined && this.#flushedTo === chunk.used) {
      this.#context.outboxChunks.giveBack(chunk)
      this.#chunk = undefined
    }
    this.deadlineMs = nowMs + this.#idleMs
    this.#owner.becameIdle(this)
  }

  /** `Keep-Alive: timeout=5`: what comes in the last second may already meet a closed door. */
  #readKeepAlive(b: Uint8Array): void {
    const { lines, keepAliveLine } = this.#context.responseHead
    const seconds = parseKeepAliveTimeout(b, lines.valueStart[keepAliveLine]!, lines.valueEnd[keepAliveLine]!)
    if (seconds === -1) return
    this.#idleMs = Math.min(this.#owner.timeouts.idleMs, Math.max(0, seconds * 1_000 - 1_000))
  }

  #upgrade(slot: QueuedRequest): void {
    const { receiver } = slot
    const { inbox } = this.#reader
    this.isClosing = true
    if (receiver === undefined) {
      this.destroy()
      return
    }
    this.#queue.takeFrom(0)
    this.#release(slot)
    if (!receiver.upgraded(inbox.bytes, this)) {
      receiver.failed(PROXY_ERRORS.upgradeFailed, 'an upgrade that was not asked for', false, NO_BYTES, 0, 0)
      this.destroy()
      return
    }
    this.deadlineMs = Number.POSITIVE_INFINITY
    if (inbox.size > 0) this.#tunnel!.kept(inbox.bytes, inbox.at, inbox.end)
    inbox.at = inbox.end
  }

  /** From now on bytes go through `tunnel`. */
  enterTunnel(tunnel: TunnelSide): void {
    this.#tunnel = tunnel
  }

  #dropBody(bytes: number): void {
    this.#unwantedBytes += bytes
    if (this.#unwantedBytes < UNWANTED_BYTES_MAX) return
    this.#queue.takeFrom(0, 1)
    this.#moveAll()
    this.destroy()
  }

  /** All that are left are sent again elsewhere: they are safe, for others had been in front of them. */
  #moveAll(): void {
    for (const slot of this.#queue.takeFrom(0)) {
      slot.receiver?.moved(slot.chunk!.bytes, slot.start, slot.end)
      this.#release(slot)
    }
  }

  #failAll(error: ProxyError, detail: string): void {
    for (const slot of this.#queue.takeFrom(0)) this.#fail(slot, error, detail)
  }

  #fail(slot: QueuedRequest, error: ProxyError, detail: string): void {
    const { receiver, chunk, start, end, isWhole } = slot
    // What has never been sent may be sent elsewhere, and the rest of it follow.
    const atHand = isWhole && (receiver?.isRequestDone === true || error.retry === 'safe')
    receiver?.failed(
      error,
      detail,
      this.#served > 0,
      atHand ? chunk!.bytes : NO_BYTES,
      atHand ? start : 0,
      atHand ? end : 0,
    )
    this.#release(slot)
  }

  #release(slot: QueuedRequest): void {
    const { chunk } = slot
    slot.receiver = undefined
    slot.chunk = undefined
    if (chunk === undefined) return
    chunk.live--
    if (chunk.live === 0 && chunk !== this.#chunk && !this.#wire.isPending) this.#context.outboxChunks.giveBack(chunk)
  }

  #planFlush(): void {
    if (this.#isFlushPlanned) return
    this.#isFlushPlanned = true
    this.#context.turnEnd.flushLater(this)
  }
}

/** The request is sent again elsewhere, and this answer is read and dropped. */
function isRetried({ receiver, chunk, start, end, isWhole }: QueuedRequest, status: number, nowMs: number): boolean {
  if (receiver === undefined || !isWhole || !receiver.isRequestDone) return false
  return receiver.retriesAnswer(status, chunk!.bytes, start, end, nowMs)
}
