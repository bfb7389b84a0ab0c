import { CANCELLED, outcomeOfStatus, SUCCEEDED, TIMED_OUT } from '../../balance/outcome.ts'
import { copyBytes } from '../http1/copy-bytes.ts'
import { equalsWord } from '../http1/field-values.ts'
import { SAYS_CLOSE, SAYS_KEEP_ALIVE, SAYS_NOTHING } from '../http1/forward-response.ts'
import { BY_LENGTH, CHUNKED, NO_BODY, UNTIL_CLOSE } from '../http1/framing.ts'
import { BODY_READ, HEAD_READ, MESSAGE_END, NEED_MORE } from '../http1/read-event.ts'
import { REFUSAL, refusalName, refusalStatus } from '../http1/refusal.ts'
import { HEAD } from '../http1/request-head.ts'
import { RequestReader } from '../http1/request-reader.ts'
import { PREFACE } from '../http2/frames.ts'
import { Http2Client } from '../http2/http2-client.ts'
import type { ConnectionEnds } from '../proxy-protocol/connection-ends.ts'
import type { Client } from './client.ts'
import { ClientPeer } from './client-peer.ts'
import type { ClientSettings } from './client-settings.ts'
import type { EngineContext } from './engine-context.ts'
import { ownAnswer } from './own-answer.ts'
import { PROXY_ERRORS, type ProxyError } from './proxy-error.ts'
import { type ExchangeOwner, outcomeOf, RequestExchange } from './request-exchange.ts'
import type { UpgradedConnection } from './response-receiver.ts'
import { openTunnel } from './tunnel.ts'
import type { TunnelSide } from './tunnel-side.ts'
import { type EncryptedSocket, Wire } from './wire.ts'

/** No request, or a part of one's head. */
const IDLE = 0
/** A request is under way; its response has not begun. */
const WAITING = 1
const RESPONDING = 2
const TUNNEL = 3
/** Everything was said; what still arrives is dropped, so that what was said arrives too. */
const LINGERING = 4
const CLOSED = 5

/** With so much to come, memory of its own is worth its while. */
const BULK_BYTES = 32 * 1024
/** Parts of a body from here on are written on as they are, if their memory allows it. */
const UNCOPIED_BYTES_MIN = 4 * 1024
const LINGER_BYTES_MAX = 1024 * 1024
const NEVER = Number.POSITIVE_INFINITY

/**
 * One client's connection. Its requests are served strictly one after another: the next one is looked at when the
 * response before it has been written. So one set of fields holds the request under way, and nothing is allocated for
 * it in the ordinary case.
 */
export class ClientConnection implements ExchangeOwner, Client {
  deadlineMs: number
  isRequestDone = true
  readonly #context: EngineContext
  readonly #settings: ClientSettings
  readonly #wire: Wire
  readonly #reader: RequestReader
  readonly #peer: ClientPeer
  /** The request under way. */
  readonly #exchange: RequestExchange
  #state = IDLE
  #isHeadBegun = false
  /** The client has ended its side. */
  #isEnded = false
  #isClosing = false
  /** By its own word the client asks for nothing after the request under way. */
  #isClientDone = false
  #isReadPaused = false
  #isRequestPaused = false
  #isProcessing = false
  #lingeredBytes = 0
  /** How much of the preface of HTTP/2 has come; -1: what came is something else. */
  #prefaceBytes: number
  #tunnel: TunnelSide | undefined

  // The request under way.
  #minor = 1
  #bodyBytes = 0
  /** Some of the response has been written. */
  #hasHeadGone = false

  /**
   * `source`: the accepted connection below `net.Socket`, not yet read from, or what has been made of it. `ends`: what a
   * proxy before us says of its client's connection.
   */
  constructor(
    context: EngineContext,
    settings: ClientSettings,
    source: object | EncryptedSocket | Wire,
    ends: ConnectionEnds | undefined,
  ) {
    this.#context = context
    this.#settings = settings
    this.#reader = new RequestReader(context.requestHead, context.settings.limits.headBytesMax)
    this.deadlineMs = context.clock.monotonic() + context.settings.headMs
    this.#wire = source instanceof Wire ? source : new Wire(context, this, source)
    this.#wire.owner = this
    this.#prefaceBytes = settings.onHttp2 === undefined ? -1 : 0
    this.#peer = new ClientPeer(context, this.#wire, ends, settings, '1.1')
    this.#exchange = new RequestExchange(context, this, this.#peer, settings.countError)
    context.deadlines.add(this)
    this.#wire.resume()
  }

  /** No request is under way. */
  get isIdle(): boolean {
    return this.#state === IDLE
  }

  /** Ends the connection after the request under way. */
  drain(): void {
    this.#isClosing = true
    if (this.#state === IDLE && this.#reader.inbox.size === 0) this.#linger()
  }

  destroy(): void {
    this.#wire.socket.destroy()
  }

  onBytes(count: number, b: Uint8Array): boolean {
    if (this.#state === TUNNEL) return this.#tunnel!.bytes(b, count)
    if (this.#state >= LINGERING) return this.#drop(count)
    const { inbox, body } = this.#reader
    if (this.#prefaceBytes >= 0 && this.#isPreface(b, count)) {
      if (this.#prefaceBytes === PREFACE.length) return this.#changeToHttp2(b, count)
      inbox.feed(b, 0, count)
      inbox.keep()
      this.#beginHead()
      return true
    }
    inbox.feed(b, 0, count)
    this.#process()
    inbox.keep()
    this.#wire.isBulk = this.#reader.isInBody && (count === b.length || body.leftBytes >= BULK_BYTES)
    this.#isReadPaused = this.#mustPause()
    return !this.#isReadPaused
  }

  onDrained(): void {
    if (this.#state === TUNNEL) this.#tunnel!.drained()
    else if (this.#state === RESPONDING) {
      this.deadlineMs = this.#exchange.untilMs
      this.#exchange.carrier?.resumeResponse()
    } else if (this.#state === WAITING) {
      // An interim response has gone.
      const { clock, settings } = this.#context
      const { carrier, untilMs } = this.#exchange
      this.deadlineMs = this.isRequestDone ? untilMs : Math.min(clock.monotonic() + settings.bodyMs, untilMs)
      carrier?.resumeResponse()
    } else if (this.#state === IDLE) {
      this.deadlineMs = this.#context.clock.monotonic() + this.#context.settings.clientIdleMs
      this.#goOn()
    }
  }

  onEnd(): void {
    this.#isEnded = true
    if (this.#state === TUNNEL) this.#tunnel!.end()
    else if (this.#state === IDLE && !this.#isUnread()) this.#wire.finish()
    else if (this.#state === LINGERING || this.#state === CLOSED) return
    // The rest of the request will never come.
    else if (!this.isRequestDone) this.destroy()
    else if (this.#reader.inbox.size === 0) this.#isClosing = true
  }

  onClose(): void {
    const wasInTunnel = this.#state === TUNNEL
    const isUnderWay = this.#state === WAITING || this.#state === RESPONDING
    this.#state = CLOSED
    this.#context.deadlines.delete(this)
    if (wasInTunnel) this.#tunnel!.closed()
    else if (isUnderWay) {
      this.#exchange.abandon(CANCELLED, this.#context.clock.monotonic())
      this.#exchange.end('client-closed')
    }
    this.#peer.close()
    this.#settings.onClosed(this)
  }

  expire(nowMs: number): void {
    const { socket } = this.#wire
    if (this.#wire.isPending || this.#state >= TUNNEL) this.#wire.reset()
    else if (this.#state === IDLE && !this.#isHeadBegun) socket.destroy()
    else {
      const isOverall = nowMs >= this.#exchange.untilMs
      const error = isOverall ? PROXY_ERRORS.overallTimeout : PROXY_ERRORS.requestTimeout
      this.#exchange.abandon(isOverall ? TIMED_OUT : CANCELLED, nowMs)
      this.#answer(error.status, error.code, !isOverall || !this.isRequestDone)
      if (isOverall) this.#goOn()
    }
  }

  /** Whether it has begun, as far as it can be seen, as clients do that speak HTTP/2 without asking. */
  #isPreface(b: Uint8Array, count: number): boolean {
    const from = this.#prefaceBytes
    const stop = Math.min(count, PREFACE.length - from)
    for (let i = 0; i < stop; i++) {
      if (b[i] === PREFACE[from + i]) continue
      this.#prefaceBytes = -1
      return false
    }
    this.#prefaceBytes = from + stop
    return true
  }

  /** From here on the connection is another client's; this one has never asked for anything. */
  #changeToHttp2(b: Uint8Array, count: number): boolean {
    const { inbox } = this.#reader
    this.#state = CLOSED
    this.#context.deadlines.delete(this)
    const next = new Http2Client(this.#context, this.#settings, this.#wire, this.#peer.ends)
    this.#settings.onHttp2!(this, next)
    if (inbox.size > 0) next.onBytes(inbox.size, inbox.bytes.slice(inbox.at, inbox.end))
    return next.onBytes(count, b)
  }

  // What the endpoint's connection says.

  interimResponse(b: Uint8Array): boolean {
    const { arena, clock, responseForwarder, responseHead, settings } = this.#context
    if (this.#minor === 0) return false
    arena.used = responseForwarder.write(responseHead, b, true, SAYS_NOTHING, arena.bytes, 0)
    this.#flush()
    this.#hasHeadGone = false
    if (!this.#wire.isPending) return false
    this.deadlineMs = clock.monotonic() + settings.bodyMs
    return true
  }

  upgraded(b: Uint8Array, connection: UpgradedConnection): boolean {
    const { arena, responseForwarder, responseHead, settings } = this.#context
    const { lines, upgradeLine } = responseHead
    const exchange = this.#exchange
    const wanted = exchange.upgrade
    if (wanted === undefined || upgradeLine === -1 || !responseHead.connection.upgrade) return false
    if (!equalsWord(b, lines.valueStart[upgradeLine]!, lines.valueEnd[upgradeLine]!, wanted)) return false
    const nowMs = this.#context.clock.monotonic()
    arena.used = responseForwarder.write(responseHead, b, true, SAYS_NOTHING, arena.bytes, 0)
    this.#flush()
    exchange.status = 101
    exchange.answeredAtMs = nowMs
    exchange.endTry(SUCCEEDED, nowMs)
    const series = exchange.series!
    exchange.end('')
    exchange.carrier = undefined
    const counts = { moved: (bytesIn: number, bytesOut: number): void => series.addBytes(bytesIn, bytesOut) }
    const tunnel = openTunnel(this.#context, this.#wire, connection.wire, counts, (deadlineMs) => {
      this.deadlineMs = deadlineMs
    })
    this.#state = TUNNEL
    this.#tunnel = tunnel.client
    this.deadlineMs = nowMs + settings.tunnelIdleMs
    connection.enterTunnel(tunnel.upstream)
    const { inbox } = this.#reader
    if (inbox.size > 0) tunnel.client.kept(inbox.bytes, inbox.at, inbox.end)
    inbox.at = inbox.end
    if (this.#isEnded) tunnel.client.end()
    this.#updateReading()
    return true
  }

  retriesAnswer(status: number, b: Uint8Array, start: number, end: number, nowMs: number): boolean {
    return this.#exchange.retryAnswer(status, b, start, end, nowMs)
  }

  responseHead(b: Uint8Array, nowMs: number): boolean {
    const { arena, responseForwarder, responseHead } = this.#context
    this.#state = RESPONDING
    const exchange = this.#exchange
    exchange.status = responseHead.status
    exchange.answeredAtMs = nowMs
    const takesChunks = this.#minor === 1
    const contentOnly = !takesChunks && responseHead.framing === CHUNKED
    // A body that the client is still sending cannot be told from its next request once this is over; and after an
    // upgrade that was not granted nobody can say what the client takes its next bytes to be.
    if (!this.isRequestDone || exchange.upgrade !== undefined) this.#isClosing = true
    if (contentOnly || responseHead.framing === UNTIL_CLOSE || this.#context.isDraining) this.#isClosing = true
    const word = this.#isClosing ? SAYS_CLOSE : takesChunks ? SAYS_NOTHING : SAYS_KEEP_ALIVE
    arena.used = responseForwarder.write(responseHead, b, takesChunks, word, arena.bytes, 0, exchange.sessionLine())
    exchange.bytesOut += arena.used
    return contentOnly
  }

  responseBody(b: Uint8Array, start: number, end: number, from: Wire): boolean {
    const { arena } = this.#context
    this.#exchange.bytesOut += end - start
    if (end - start >= UNCOPIED_BYTES_MIN && from.owns(b)) {
      this.#flush()
      this.#hasHeadGone = true
      this.#wire.passOn(from, b, start, end)
    } else {
      let at = start
      while (at < end) {
        if (arena.room === 0) this.#flush()
        const stop = Math.min(end, at + arena.room)
        arena.used = copyBytes(b, at, stop, arena.bytes, arena.used)
        at = stop
      }
    }
    return this.#wire.isPending
  }

  responsePart(): void {
    this.#flush()
    if (this.#wire.isPending) this.deadlineMs = this.#context.clock.monotonic() + this.#context.settings.bodyMs
  }

  responseEnd(nowMs: number): void {
    this.#flush()
    const exchange = this.#exchange
    exchange.carrier = undefined
    exchange.endTry(outcomeOfStatus(exchange.status), nowMs)
    exchange.end('')
    this.#settle(nowMs)
    this.#goOn()
  }

  failed(error: ProxyError, _detail: string, wasReused: boolean, b: Uint8Array, start: number, end: number): void {
    const nowMs = this.#context.clock.monotonic()
    const exchange = this.#exchange
    exchange.carrier = undefined
    exchange.endTry(outcomeOf(error), nowMs)
    if (this.#hasHeadGone) {
      // What has gone is not the whole response, and the client must not take it for one.
      exchange.end(error.code)
      this.#state = LINGERING
      this.#context.arena.used = 0
      this.#wire.reset()
      return
    }
    this.#context.arena.used = 0
    this.#state = WAITING
    if (exchange.retry(error, wasReused, b, start, end, nowMs)) return
    // After an upgrade that came to nothing nobody can say what the client takes its next bytes to be.
    this.#answer(error.status, error.code, exchange.upgrade !== undefined)
    this.#goOn()
  }

  moved(b: Uint8Array, start: number, end: number): void {
    this.#exchange.move(b, start, end)
  }

  refused(error: ProxyError, isLater: boolean): void {
    this.#answer(error.status, error.code, false)
    if (isLater) this.#goOn()
  }

  resumeRequest(): void {
    this.#wire.returned()
    if (!this.#isRequestPaused) return
    this.#isRequestPaused = false
    this.#updateReading()
  }

  // Requests.

  #process(): void {
    const reader = this.#reader
    this.#isProcessing = true
    for (;;) {
      // The next request is read when this one has been answered.
      if (this.#state !== IDLE && (this.isRequestDone || this.#state >= TUNNEL)) break
      // Nor does a client get further answers before it has taken those it got.
      if (this.#state === IDLE && this.#wire.isPending) break
      const event = reader.next()
      if (event === NEED_MORE) {
        if (this.#state === IDLE && reader.inbox.size > 0) this.#beginHead()
        break
      }
      if (event === HEAD_READ) this.#begin()
      else if (event === BODY_READ) this.#sendBody(reader.from, reader.to)
      else if (event === MESSAGE_END) {
        this.isRequestDone = true
        this.#isRequestPaused = false
        this.deadlineMs = this.#exchange.untilMs
      } else {
        if (this.#state !== IDLE) this.#exchange.abandon(CANCELLED, this.#context.clock.monotonic())
        this.#answer(refusalStatus(reader.refusal), refusalName(reader.refusal), true)
      }
    }
    this.#isProcessing = false
  }

  #beginHead(): void {
    if (this.#isHeadBegun) return
    this.#isHeadBegun = true
    this.deadlineMs = this.#context.clock.monotonic() + this.#context.settings.headMs
  }

  #begin(): void {
    const context = this.#context
    const reader = this.#reader
    const { requestHead: head, settings, requestForwarder } = context
    const exchange = this.#exchange
    const b = reader.inbox.bytes
    const nowMs = context.clock.monotonic()
    this.#state = WAITING
    this.#isHeadBegun = false
    this.isRequestDone = false
    this.#isRequestPaused = false
    this.#hasHeadGone = false
    this.#minor = head.minor
    this.#bodyBytes = 0
    exchange.begin(head, b, reader.to - reader.from, nowMs)
    if (!head.keepsAlive) this.#isClientDone = true
    if (!head.keepsAlive || context.isDraining) this.#isClosing = true
    if (head.framing === NO_BODY) {
      reader.next()
      this.isRequestDone = true
      this.deadlineMs = NEVER
    } else this.deadlineMs = nowMs + settings.bodyMs
    const { router } = this.#settings
    let refusal = requestForwarder.check(head, b)
    if (refusal === 0) refusal = router.check(head, b)
    if (head.framing === BY_LENGTH && head.contentLength > settings.bodyBytesMax) refusal = REFUSAL['body-too-large']
    if (refusal !== 0) {
      this.#answer(refusalStatus(refusal), refusalName(refusal), true)
      return
    }
    const route = router.route(head, b)
    if (route === undefined) {
      this.#answer(PROXY_ERRORS.noRoute.status, PROXY_ERRORS.noRoute.code, false)
      return
    }
    exchange.follow(route, nowMs)
    this.deadlineMs = Math.min(this.deadlineMs, exchange.untilMs)
    if (head.wantsUpgrade) exchange.allowUpgrade(head, b)
    exchange.send(head, b, nowMs)
  }

  #sendBody(start: number, end: number): void {
    const { clock, settings } = this.#context
    this.#bodyBytes += end - start
    const exchange = this.#exchange
    exchange.bytesIn += end - start
    if (exchange.carrier === undefined) return
    const nowMs = clock.monotonic()
    if (this.#bodyBytes > settings.bodyBytesMax) {
      exchange.abandon(CANCELLED, nowMs)
      this.#answer(413, refusalName(REFUSAL['body-too-large']), true)
      return
    }
    this.deadlineMs = Math.min(nowMs + settings.bodyMs, exchange.untilMs)
    if (exchange.sendBody(this.#reader.inbox.bytes, start, end, this.#wire, nowMs)) this.#isRequestPaused = true
  }

  // Answers.

  #flush(): void {
    const { arena } = this.#context
    if (arena.used === 0) return
    this.#hasHeadGone = true
    this.#wire.write(arena.take())
    if (this.#wire.isHolding) arena.replace()
  }

  /** Answers in place of an endpoint. */
  #answer(status: number, code: string, closes: boolean): void {
    if (this.#state >= TUNNEL) return
    if (this.#hasHeadGone && this.#state === RESPONDING) {
      this.#exchange.end(code)
      this.#state = LINGERING
      this.#wire.reset()
      return
    }
    const exchange = this.#exchange
    exchange.status = status
    if (closes || !this.isRequestDone || this.#minor === 0) this.#isClosing = true
    const isHead = this.#state !== IDLE && exchange.method === HEAD
    const bytes = ownAnswer(status, code, isHead, this.#isClosing)
    exchange.bytesOut = bytes.length
    this.#wire.write(bytes)
    exchange.end(code)
    this.#settle(this.#context.clock.monotonic())
  }

  /** After a response: on to the next request, or to the end. */
  #settle(nowMs: number): void {
    this.#exchange.untilMs = NEVER
    if (this.#isClosing || !this.isRequestDone) {
      this.#linger()
      return
    }
    const { settings } = this.#context
    this.#state = IDLE
    this.deadlineMs = nowMs + (this.#wire.isPending ? settings.bodyMs : settings.clientIdleMs)
  }

  #linger(): void {
    const { clock, settings } = this.#context
    this.#state = LINGERING
    this.deadlineMs = clock.monotonic() + (this.#wire.isPending ? settings.bodyMs : settings.lingerMs)
    const { inbox } = this.#reader
    const mayFollow = !this.#isEnded && (!this.#isClientDone || !this.isRequestDone)
    const isUnread = inbox.size > 0
    inbox.at = inbox.end
    this.#wire.isBulk = false
    // Closing with something unread would be a reset, which may overtake what was said.
    if (mayFollow || isUnread) this.#wire.socket.end()
    else this.#wire.finish()
    this.#updateReading()
  }

  #drop(count: number): boolean {
    this.#lingeredBytes += count
    if (this.#lingeredBytes > LINGER_BYTES_MAX && !this.#wire.isPending) this.#wire.socket.destroy()
    return true
  }

  /** Looks at what has come in the meantime. */
  #goOn(): void {
    if (this.#isProcessing || this.#state >= TUNNEL) return
    const { inbox } = this.#reader
    if (inbox.size > 0) {
      this.#process()
      inbox.keep()
    }
    if (this.#state === IDLE && this.#isEnded && !this.#isUnread()) this.#linger()
    else this.#updateReading()
  }

  /** Requests wait here until the client has taken the answers before theirs. */
  #isUnread(): boolean {
    return this.#state === IDLE && this.#wire.isPending && this.#reader.inbox.size > 0
  }

  #mustPause(): boolean {
    if (this.#state >= TUNNEL) return false
    if (this.#isRequestPaused || this.#isUnread()) return true
    return this.#state !== IDLE && this.isRequestDone && this.#reader.inbox.size > 0
  }

  #updateReading(): void {
    if (!this.#isReadPaused || this.#mustPause()) return
    this.#isReadPaused = false
    this.#wire.resume()
  }
}
