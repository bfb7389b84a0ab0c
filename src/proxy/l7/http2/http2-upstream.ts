import type { TLSSocket } from 'node:tls'
import { connectError } from '../engine/connect-error.ts'
import type { Deadlines } from '../engine/deadlines.ts'
import type { EngineContext } from '../engine/engine-context.ts'
import { PROXY_ERRORS } from '../engine/proxy-error.ts'
import type { RequestCarrier } from '../engine/request-carrier.ts'
import type { ConnectionTimeouts } from '../engine/upstream-timeouts.ts'
import type { UpstreamTransport } from '../engine/upstream-transport.ts'
import { Wire } from '../engine/wire.ts'
import { NO_ERROR } from './frames.ts'
import { Http2UpstreamStream, type UpstreamStreamOwner } from './http2-upstream-stream.ts'
import { RequestMemory } from './request-memory.ts'
import { Http2Session } from './session.ts'
import type { SessionOwner } from './session-owner.ts'

/** Numbers of streams do not come back; long before they run out another connection takes over. */
const STREAM_ID_MAX = 0x7000_0000
/** As long as the endpoint has not said how many it takes. */
const UNSETTLED_STREAMS_MAX = 100
/** An endpoint that says nothing for so long after it was asked is gone. */
const PONG_MS = 5_000

/** The endpoint that a connection leads to. */
export interface Http2UpstreamOwner {
  readonly address: string
  readonly port: number
  readonly timeouts: ConnectionTimeouts
  readonly transport: UpstreamTransport
  /** The endpoint chose HTTP/1.1, which it may where the protocol is `auto`. */
  choseHttp1(): void
  closed(connection: Http2Upstream): void
}

/** One HTTP/2 connection to an endpoint, and the requests on it. */
export class Http2Upstream implements SessionOwner, UpstreamStreamOwner {
  deadlineMs: number
  readonly context: EngineContext
  readonly session: Http2Session
  readonly memory: RequestMemory
  readonly timeouts: ConnectionTimeouts
  readonly scheme: 'http' | 'https'
  wasUsed = false
  isConnected = false
  readonly #owner: Http2UpstreamOwner
  readonly #deadlines: Deadlines
  readonly #tls: TLSSocket | undefined
  /** Ready, in their order, until there is room for them. */
  #waiting: Http2UpstreamStream[] = []
  #isClosing = false
  #isClosed = false
  #pongByMs = Number.POSITIVE_INFINITY

  constructor(context: EngineContext, owner: Http2UpstreamOwner, nowMs: number) {
    const { address, port, transport, timeouts } = owner
    this.context = context
    this.#owner = owner
    this.timeouts = timeouts
    this.scheme = transport.tls === undefined ? 'http' : 'https'
    this.memory = new RequestMemory(context.outboxChunks)
    this.deadlineMs = nowMs + timeouts.connectMs
    const isAuto = transport.protocol === 'auto'
    const secure = transport.tls?.connect(address, port, undefined, isAuto ? ['h2', 'http/1.1'] : ['h2'])
    this.#tls = secure?.encrypted
    const wire = new Wire(context, NOBODY, secure)
    this.session = new Http2Session(context, this, wire, false)
    wire.owner = this.session
    this.#deadlines = timeouts.areShort ? context.shortDeadlines : context.deadlines
    this.#deadlines.add(this)
    if (secure === undefined) {
      wire.connect(address, port, () => this.#onConnect())
      return
    }
    secure.encrypted.once('secureConnect', () => {
      if (secure.encrypted.alpnProtocol === 'h2') this.#onConnect()
      else this.#onOtherProtocol(isAuto)
    })
    wire.resume()
  }

  /** Requests under way. */
  get count(): number {
    return this.session.streams.size + this.#waiting.length
  }

  /** Another request may be sent on it. */
  get hasRoom(): boolean {
    return this.isUsable && this.count < this.#streamsMax
  }

  get isUsable(): boolean {
    const isSpent = this.session.nextStreamId > STREAM_ID_MAX
    return !this.#isClosing && !this.#isClosed && !this.session.isOver && !isSpent
  }

  /** Something to send one request on. */
  carrier(): RequestCarrier {
    return new Http2UpstreamStream(this)
  }

  /** No further requests; ends when those under way are answered. */
  close(): void {
    this.#isClosing = true
    if (this.count === 0) this.#finish()
  }

  destroy(): void {
    this.#isClosing = true
    this.session.wire.socket.destroy()
  }

  expire(nowMs: number): void {
    if (!this.isConnected) {
      this.#failWaiting(true)
      this.destroy()
      return
    }
    if (nowMs >= this.#pongByMs || this.session.isOver) {
      this.destroy()
      return
    }
    if (this.count === 0) {
      this.#finish()
      return
    }
    for (const stream of this.#waiting) if (nowMs >= stream.deadlineMs) stream.expire(nowMs)
    this.#waiting = this.#waiting.filter((stream) => !stream.isClosed)
    this.session.expireStreams(nowMs)
    if (this.count > 0) this.deadlineMs = nowMs
    else this.#rest()
  }

  // What streams say.

  enqueue(stream: Http2UpstreamStream): void {
    this.#waiting.push(stream)
    if (this.isConnected) this.#openWaiting()
  }

  timedOut(): void {
    if (this.#pongByMs !== Number.POSITIVE_INFINITY || this.session.isOver) return
    // The endpoint may be slow, or not be there any more.
    this.session.writer.ping()
    this.#pongByMs = this.context.clock.monotonic() + PONG_MS
    this.deadlineMs = 0
  }

  answered(): void {
    this.wasUsed = true
  }

  // What the session says.

  opened(): void {}

  settled(): void {
    this.#openWaiting()
  }

  goneAway(): void {
    this.#isClosing = true
    const waiting = this.#waiting
    this.#waiting = []
    for (const stream of waiting) stream.handBack()
    if (this.count === 0) this.#finish()
  }

  left(): void {
    if (this.session.isOver) return
    if (this.#waiting.length > 0) this.#openWaiting()
    if (this.count > 0) return
    if (this.#isClosing) this.#finish()
    else this.#rest()
  }

  ponged(): void {
    this.#pongByMs = Number.POSITIVE_INFINITY
  }

  broken(): void {
    this.#isClosing = true
    // So that the endpoint hears why.
    this.deadlineMs = this.context.clock.monotonic() + this.context.settings.lingerMs
  }

  stuck(): void {}

  drained(): void {}

  closed(): void {
    this.#isClosed = true
    this.#deadlines.delete(this)
    this.#owner.closed(this)
    this.#failWaiting(false)
    this.memory.close()
  }

  get #streamsMax(): number {
    const { peer, isSettled } = this.session
    const own = this.context.settings.http2.upstreamStreamsMax
    return Math.min(own, isSettled ? peer.streamsMax : UNSETTLED_STREAMS_MAX)
  }

  #onConnect(): void {
    this.isConnected = true
    this.deadlineMs = 0
    this.#openWaiting()
  }

  /** TLS, but not with the protocol that was wanted. */
  #onOtherProtocol(isAuto: boolean): void {
    this.#isClosing = true
    const waiting = this.#waiting
    this.#waiting = []
    if (isAuto) this.#owner.choseHttp1()
    for (const stream of waiting) {
      if (isAuto) stream.handBack()
      else stream.fail(PROXY_ERRORS.wrongProtocol, 'the endpoint does not speak HTTP/2')
    }
    this.destroy()
  }

  #openWaiting(): void {
    const { session } = this
    const nowMs = this.context.clock.monotonic()
    while (this.#waiting.length > 0 && session.streams.size < this.#streamsMax && !session.isOver) {
      const stream = this.#waiting.shift()!
      if (stream.isClosed) continue
      const id = session.nextStreamId
      session.nextStreamId += 2
      this.deadlineMs = 0
      stream.open(id, nowMs)
    }
    // None could be sent.
    if (this.deadlineMs === 0 && session.streams.size === 0 && !session.isOver) this.#rest()
  }

  #failWaiting(isTimeout: boolean): void {
    const waiting = this.#waiting
    this.#waiting = []
    const error = isTimeout ? PROXY_ERRORS.connectTimeout : connectError(this.#tls)
    for (const stream of waiting) stream.fail(error, isTimeout ? 'no connection in time' : 'no connection')
  }

  #rest(): void {
    this.deadlineMs = this.context.clock.monotonic() + this.timeouts.idleMs
  }

  #finish(): void {
    if (!this.isConnected) {
      this.destroy()
      return
    }
    if (this.session.isOver) return
    this.session.writer.goAway(0, NO_ERROR)
    this.session.finish()
  }
}

const NOBODY = { onBytes: () => false, onDrained() {}, onEnd() {}, onClose() {} }
