import { CANCELLED, outcomeOfStatus, SUCCEEDED, TIMED_OUT } from '../../balance/outcome.ts'
import type { ClientPeer } from '../engine/client-peer.ts'
import type { EngineContext } from '../engine/engine-context.ts'
import { ownAnswerLines } from '../engine/own-answer.ts'
import { PROXY_ERRORS, type ProxyError } from '../engine/proxy-error.ts'
import { type ExchangeOwner, outcomeOf, RequestExchange } from '../engine/request-exchange.ts'
import type { UpgradedConnection } from '../engine/response-receiver.ts'
import type { Router } from '../engine/route.ts'
import type { Wire } from '../engine/wire.ts'
import { bytesOf, equalsWord } from '../http1/field-values.ts'
import { findLine } from '../http1/find-line.ts'
import { BY_LENGTH, CHUNKED, NO_BODY } from '../http1/framing.ts'
import { REFUSAL, refusalName, refusalStatus } from '../http1/refusal.ts'
import { HEAD } from '../http1/request-head.ts'
import { ByteQueue } from './byte-queue.ts'
import { ChunkedContent } from './chunked-content.ts'
import { composeRequest, type Upgrader } from './compose-request.ts'
import { sendResponseHead } from './encode-response.ts'
import { CANCEL, INTERNAL_ERROR, NO_ERROR, PROTOCOL_ERROR } from './frames.ts'
import { GRPC_STATUS, grpcCodeOf, isGrpcContentType, outcomeOfGrpc, readGrpcCode } from './grpc.ts'
import { RequestBody } from './request-body.ts'
import type { Http2Session } from './session.ts'
import { SessionStream } from './session-stream.ts'
import { StreamTunnel } from './stream-tunnel.ts'
import { WebSocketKey } from './web-socket-key.ts'

const NEVER = Number.POSITIVE_INFINITY
const ACCEPT = bytesOf('sec-websocket-accept')

/** The connection that streams belong to. */
export interface StreamOwner {
  readonly context: EngineContext
  readonly peer: ClientPeer
  readonly router: Router
  readonly viaLine: Uint8Array
  readonly countError: (code: string) => void
}

/** One request of a client that speaks HTTP/2, and its response. */
export class Http2ClientStream extends SessionStream implements ExchangeOwner, Upgrader {
  isRequestDone = false
  readonly #owner: StreamOwner
  readonly #exchange: RequestExchange
  #body: RequestBody | undefined
  /** Parts of the body that came while the endpoint took none; the client's window keeps them few. */
  #backlog: ByteQueue | undefined
  #isPaused = false
  /** Handed over while the endpoint took no more: the client gets room again when it does. */
  #heldBytes = 0
  #isGrpc = false
  #hasHeadGone = false
  /** The exchange is over, whatever is still to be sent. */
  #isAnswered = false
  #chunks: ChunkedContent | undefined
  #webSocketKey: WebSocketKey | undefined
  #tunnel: StreamTunnel | undefined

  constructor(owner: StreamOwner, session: Http2Session, id: number) {
    super(session, id)
    this.#owner = owner
    this.#exchange = new RequestExchange(owner.context, this, owner.peer, owner.countError)
  }

  /** The request whose head is in the session's block. */
  open(isLast: boolean): void {
    const { context, router } = this.#owner
    const { requestHead: head, requestForwarder, settings, clock } = context
    const { text } = context.http2
    const { block } = this.session
    const exchange = this.#exchange
    const nowMs = clock.monotonic()
    this.isRequestDone = isLast
    this.#isGrpc =
      block.contentTypeStart !== -1 && isGrpcContentType(block.bytes, block.contentTypeStart, block.contentTypeEnd)
    const end = composeRequest(block, isLast, this, text)
    let refusal = end < 0 ? -end : 0
    if (refusal === 0 && head.scan(text, 0, end) !== end) refusal = head.refusal || REFUSAL['bad-request-line']
    if (refusal !== 0) {
      this.#refuse(refusal)
      return
    }
    exchange.begin(head, text, end, nowMs)
    this.deadlineMs = isLast ? NEVER : nowMs + settings.bodyMs
    if (!isLast && !head.wantsUpgrade) this.#body = new RequestBody(head.framing, head.contentLength)
    refusal = requestForwarder.check(head, text) || router.check(head, text)
    if (head.framing === BY_LENGTH && head.contentLength > settings.bodyBytesMax) refusal = REFUSAL['body-too-large']
    if (refusal !== 0) {
      this.#answer(refusalStatus(refusal), refusalName(refusal))
      return
    }
    const route = router.route(head, text)
    if (route === undefined) {
      this.#answer(PROXY_ERRORS.noRoute.status, PROXY_ERRORS.noRoute.code)
      return
    }
    exchange.follow(route, nowMs)
    this.deadlineMs = Math.min(this.deadlineMs, exchange.untilMs)
    if (head.wantsUpgrade) {
      exchange.allowUpgrade(head, text)
      if (exchange.upgrade === undefined) {
        this.#answer(501, refusalName(REFUSAL['bad-upgrade']))
        return
      }
      // What it sends from here on is the tunnel's.
      this.isRequestDone = true
      this.#isPaused = true
      this.deadlineMs = exchange.untilMs
    }
    exchange.send(head, text, nowMs)
  }

  override expire(nowMs: number): void {
    this.deadlineMs = NEVER
    if (this.isLocalEnded && this.#tunnel === undefined) {
      this.session.resetStream(this, NO_ERROR)
      return
    }
    if (this.#tunnel !== undefined || this.#isAnswered) {
      this.#leaveTunnel(true)
      this.session.resetStream(this, CANCEL)
      return
    }
    const isOverall = nowMs >= this.#exchange.untilMs
    const error = isOverall ? PROXY_ERRORS.overallTimeout : PROXY_ERRORS.requestTimeout
    this.#exchange.abandon(isOverall ? TIMED_OUT : CANCELLED, nowMs)
    this.#answer(error.status, error.code)
  }

  // What the client says.

  override onHead(isLast: boolean): void {
    const { block } = this.session
    // Trailers: nothing follows them, and no pseudo-field is in them (RFC 9113 §8.1).
    if (!isLast || block.refusal !== 0 || block.isTooLarge || block.linesStart !== 0) {
      this.#fault('bad-trailer')
      return
    }
    // Who reads trailers as headers must not be told another length, host or user by them.
    if (block.hasKnown) {
      this.#fault('forbidden-trailer')
      return
    }
    if (this.#isAnswered || this.#tunnel !== undefined || this.#body === undefined) return
    this.#bodyEnds(block.copyLines(this.#owner.context.http2.text, 0))
  }

  override onData(b: Uint8Array, start: number, end: number, isLast: boolean): void {
    if (this.#tunnel !== undefined) {
      this.#tunnel.data(b, start, end, isLast)
      return
    }
    const body = this.#body
    if (this.#isAnswered || (body === undefined && !this.#isPaused)) {
      // No more of a body that nobody wants than is on its way.
      this.drop(end - start)
      return
    }
    const exchange = this.#exchange
    exchange.bytesIn += end - start
    if (body !== undefined && !body.takes(end - start, isLast)) {
      this.#fault('body-length-mismatch')
      return
    }
    const { context } = this.#owner
    const nowMs = context.clock.monotonic()
    if (body !== undefined && body.bytes > context.settings.bodyBytesMax) {
      exchange.abandon(CANCELLED, nowMs)
      this.credit(end - start)
      this.#answer(413, refusalName(REFUSAL['body-too-large']))
      return
    }
    if (this.#isPaused || exchange.carrier === undefined) {
      this.#backlog ??= new ByteQueue()
      this.#backlog.push(b, start, end)
      if (isLast) this.#bodyEnds(0)
      return
    }
    this.deadlineMs = Math.min(nowMs + context.settings.bodyMs, exchange.untilMs)
    this.#sendBody(b, start, end, nowMs)
    if (isLast) this.#bodyEnds(0)
  }

  override onReset(_code: number, _isSafe: boolean): void {
    this.#leaveTunnel(true)
    if (this.#isAnswered) return
    this.#isAnswered = true
    this.#exchange.abandon(CANCELLED, this.#owner.context.clock.monotonic())
    this.#exchange.end('client-closed')
  }

  override onWritable(): void {
    this.#progressed()
    if (this.#tunnel !== undefined) this.#tunnel.writable()
    else if (!this.#isAnswered) this.#exchange.carrier?.resumeResponse()
  }

  // What the endpoint's connection says.

  interimResponse(b: Uint8Array): boolean {
    if (this.isClosed) return false
    const { context, viaLine } = this.#owner
    const { responseHead } = context
    sendResponseHead(this.session, this, responseHead, b, responseHead.status, viaLine, undefined, false)
    return false
  }

  upgraded(b: Uint8Array, connection: UpgradedConnection): boolean {
    const { context, viaLine } = this.#owner
    const { responseHead, clock, settings } = context
    const { lines, upgradeLine } = responseHead
    const exchange = this.#exchange
    const wanted = exchange.upgrade
    if (this.isClosed || wanted === undefined || upgradeLine === -1 || !responseHead.connection.upgrade) return false
    if (!equalsWord(b, lines.valueStart[upgradeLine]!, lines.valueEnd[upgradeLine]!, wanted)) return false
    const line = findLine(lines, b, ACCEPT)
    if (line === -1 || this.#webSocketKey === undefined) return false
    const accept = Buffer.from(b.subarray(lines.valueStart[line]!, lines.valueEnd[line]!)).toString('latin1')
    if (!this.#webSocketKey.isProof(accept)) return false
    const nowMs = clock.monotonic()
    sendResponseHead(this.session, this, responseHead, b, 200, viaLine, undefined, false)
    this.#hasHeadGone = true
    this.#isAnswered = true
    exchange.status = 200
    exchange.answeredAtMs = nowMs
    exchange.endTry(SUCCEEDED, nowMs)
    const series = exchange.series!
    exchange.end('')
    exchange.carrier = undefined
    const tunnel = new StreamTunnel(this, connection.wire, {
      moved: (bytesIn, bytesOut) => {
        series.addBytes(bytesIn, bytesOut)
        this.deadlineMs = clock.monotonic() + settings.tunnelIdleMs
      },
    })
    this.#tunnel = tunnel
    this.isTunnel = true
    this.deadlineMs = nowMs + settings.tunnelIdleMs
    connection.enterTunnel(tunnel)
    const backlog = this.#backlog
    this.#backlog = undefined
    while (backlog !== undefined && backlog.bytes > 0) {
      const part = backlog.first()
      tunnel.data(part, 0, part.length, false)
      backlog.take(part.length)
    }
    if (this.isRemoteEnded) tunnel.data(b, 0, 0, true)
    return true
  }

  retriesAnswer(status: number, b: Uint8Array, start: number, end: number, nowMs: number): boolean {
    return this.#exchange.retryAnswer(status, b, start, end, nowMs)
  }

  responseHead(b: Uint8Array, nowMs: number): boolean {
    const { context, viaLine } = this.#owner
    const { responseHead: head } = context
    const exchange = this.#exchange
    exchange.status = head.status
    exchange.answeredAtMs = nowMs
    const isLast = head.framing === NO_BODY
    this.#chunks = head.framing === CHUNKED ? new ChunkedContent() : undefined
    if (this.#isGrpc) {
      const line = findLine(head.lines, b, GRPC_STATUS)
      if (line !== -1) exchange.grpcCode = readGrpcCode(b, head.lines.valueStart[line]!, head.lines.valueEnd[line]!)
    }
    this.#hasHeadGone = true
    sendResponseHead(this.session, this, head, b, head.status, viaLine, exchange.sessionLine(), isLast)
    exchange.bytesOut += head.end - head.start
    return false
  }

  responseBody(b: Uint8Array, start: number, end: number, _from: Wire): boolean {
    const chunks = this.#chunks
    this.#exchange.bytesOut += end - start
    if (this.isClosed) return false
    if (chunks === undefined) return this.#sent(this.sendData(b, start, end))
    let mustWait = false
    for (let at = start; at < end && !chunks.isDone; ) {
      at = chunks.advance(b, at, end)
      if (chunks.end > chunks.start) mustWait = this.sendData(b, chunks.start, chunks.end)
    }
    return this.#sent(mustWait)
  }

  /** Frames leave at the end of the turn anyway. */
  responsePart(): void {}

  responseEnd(nowMs: number): void {
    const exchange = this.#exchange
    const trailers = this.#chunks?.trailers
    exchange.carrier = undefined
    if (this.#isGrpc) this.#readGrpcTrailers(trailers)
    const outcome =
      exchange.grpcCode === -1 ? outcomeOfStatus(exchange.status) : outcomeOfGrpc(exchange.status, exchange.grpcCode)
    exchange.endTry(outcome, nowMs)
    exchange.end('')
    this.#isAnswered = true
    if (this.isClosed) return
    if (this.isLocalEnded) this.session.ended(this)
    else this.sendEnd(trailers)
    this.#progressed()
  }

  failed(error: ProxyError, _detail: string, wasReused: boolean, b: Uint8Array, start: number, end: number): void {
    const nowMs = this.#owner.context.clock.monotonic()
    const exchange = this.#exchange
    exchange.carrier = undefined
    exchange.endTry(outcomeOf(error), nowMs)
    this.#isPaused = !this.isRequestDone || exchange.upgrade !== undefined
    if (!this.#hasHeadGone && exchange.retry(error, wasReused, b, start, end, nowMs)) return
    this.#answer(error.status, error.code)
  }

  moved(b: Uint8Array, start: number, end: number): void {
    this.#exchange.move(b, start, end)
  }

  resumeRequest(): void {
    if (this.#heldBytes > 0) {
      const bytes = this.#heldBytes
      this.#heldBytes = 0
      this.credit(bytes)
    }
    if (this.#tunnel !== undefined || this.#exchange.upgrade !== undefined) return
    this.#isPaused = false
    const { clock, settings } = this.#owner.context
    const nowMs = clock.monotonic()
    if (!this.isRequestDone) this.deadlineMs = Math.min(nowMs + settings.bodyMs, this.#exchange.untilMs)
    const backlog = this.#backlog
    while (backlog !== undefined && backlog.bytes > 0 && !this.#isPaused && !this.isClosed) {
      const part = backlog.first()
      backlog.take(part.length)
      this.#sendBody(part, 0, part.length, nowMs)
    }
    if (!this.#isPaused && this.#body?.isOver === true && !this.isRequestDone) this.#finishBody(nowMs)
  }

  refused(error: ProxyError, _isLater: boolean): void {
    this.#answer(error.status, error.code)
  }

  /** Of an upgrade to WebSocket that the proxy makes of the request. */
  webSocketKeyLines(): Uint8Array {
    this.#webSocketKey ??= new WebSocketKey()
    return this.#webSocketKey.lines()
  }

  #sendBody(b: Uint8Array, start: number, end: number, nowMs: number): void {
    if (start === end) return
    const { context } = this.#owner
    const { carrier } = this.#exchange
    const mustWait = this.#body!.send(carrier!, b, start, end, this.session.wire, context.http2.text, nowMs)
    if (mustWait) {
      this.#isPaused = true
      this.#heldBytes += end - start
      // It is not the client who is being waited for.
      this.deadlineMs = this.#exchange.untilMs
    } else this.credit(end - start)
  }

  /** `trailerBytes`: lines in the memory's text. */
  #bodyEnds(trailerBytes: number): void {
    const { context } = this.#owner
    const body = this.#body
    if (body === undefined) return
    if (!body.ends(context.http2.text, trailerBytes)) {
      this.#fault('body-length-mismatch')
      return
    }
    this.deadlineMs = this.#exchange.untilMs
    const isWaiting = this.#backlog !== undefined && this.#backlog.bytes > 0
    if (!this.#isPaused && !isWaiting && this.#exchange.carrier !== undefined) {
      this.#finishBody(context.clock.monotonic())
    }
  }

  #finishBody(nowMs: number): void {
    this.deadlineMs = this.#exchange.untilMs
    const { text } = this.#owner.context.http2
    this.#body!.finish(this.#exchange.carrier!, this.session.wire, text, nowMs)
    this.isRequestDone = true
  }

  #readGrpcTrailers(trailers: Uint8Array | undefined): void {
    if (trailers === undefined) {
      // A call without a code is one that its server did not finish.
      if (this.#exchange.grpcCode === -1) this.#exchange.grpcCode = readGrpcCode(GRPC_STATUS, 0, 0)
      return
    }
    const { trailerLines: lines } = this.#owner.context.http2
    if (lines.scan(trailers, 0, trailers.length) <= 0) return
    const line = findLine(lines, trailers, GRPC_STATUS)
    if (line !== -1) {
      this.#exchange.grpcCode = readGrpcCode(trailers, lines.valueStart[line]!, lines.valueEnd[line]!)
    }
  }

  /** The time to take what there is begins anew. */
  #progressed(): void {
    if (!this.#isAnswered || this.#tunnel !== undefined || this.isClosed || this.isLocalEnded) return
    const { clock, settings } = this.#owner.context
    this.deadlineMs = clock.monotonic() + settings.bodyMs
  }

  /** A client that takes nothing for long is not waited for. */
  #sent(mustWait: boolean): boolean {
    const { clock, settings } = this.#owner.context
    const limitMs = mustWait ? clock.monotonic() + settings.bodyMs : NEVER
    this.deadlineMs = Math.min(limitMs, this.#exchange.untilMs)
    return mustWait
  }

  /** Answers in place of an endpoint. */
  #answer(status: number, code: string, isMalformed = false): void {
    if (this.isClosed || this.#isAnswered) return
    const exchange = this.#exchange
    this.#isAnswered = true
    if (this.#hasHeadGone) {
      // What has gone is not the whole response, and the client must not take it for one.
      exchange.end(code)
      this.session.resetStream(this, INTERNAL_ERROR)
      return
    }
    exchange.status = status
    const grpcCode = this.#isGrpc ? grpcCodeOf(status, code) : -1
    exchange.grpcCode = grpcCode
    exchange.end(code)
    this.#hasHeadGone = true
    const isHead = exchange.method === HEAD
    const { lines, body } = ownAnswerLines(status, code, grpcCode)
    const isLast = !isMalformed && (isHead || body.length === 0)
    exchange.bytesOut = lines.length + body.length
    this.session.writeLines(this, grpcCode === -1 ? status : 200, lines, isLast)
    if (isLast) {
      this.session.ended(this)
      return
    }
    this.sendData(body, 0, body.length)
    if (isMalformed) this.session.resetStream(this, PROTOCOL_ERROR)
    else this.sendEnd(undefined)
    this.#progressed()
  }

  /** The head could not be read as a request. */
  #refuse(refusal: number): void {
    const status = refusalStatus(refusal)
    this.#exchange.status = status
    // Malformed is more than refused (RFC 9113 §8.1.1).
    this.#answer(status, refusalName(refusal), status === 400)
    this.session.faulted()
  }

  /** The request turns out to be malformed while it is under way. */
  #fault(code: string): void {
    if (!this.#isAnswered && this.#tunnel === undefined) {
      this.#isAnswered = true
      this.#exchange.abandon(CANCELLED, this.#owner.context.clock.monotonic())
      this.#exchange.end(code)
    }
    this.#leaveTunnel(true)
    this.session.resetStream(this, PROTOCOL_ERROR)
    this.session.faulted()
  }

  #leaveTunnel(wasReset: boolean): void {
    this.#tunnel?.left(wasReset)
  }
}
