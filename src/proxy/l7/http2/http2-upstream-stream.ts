import type { EngineContext } from '../engine/engine-context.ts'
import { PROXY_ERRORS, type ProxyError } from '../engine/proxy-error.ts'
import type { RequestCarrier } from '../engine/request-carrier.ts'
import type { ResponseReceiver } from '../engine/response-receiver.ts'
import type { ConnectionTimeouts } from '../engine/upstream-timeouts.ts'
import type { Wire } from '../engine/wire.ts'
import { copyBytes } from '../http1/copy-bytes.ts'
import { BY_LENGTH, CHUNKED, type Framing, NO_BODY } from '../http1/framing.ts'
import { REFUSAL, refusalName } from '../http1/refusal.ts'
import { ChunkedContent } from './chunked-content.ts'
import { composeResponse } from './compose-response.ts'
import { sendRequestHead } from './encode-request.ts'
import { CANCEL, PROTOCOL_ERROR, REFUSED_STREAM } from './frames.ts'
import type { RequestMemory, StoredRequest } from './request-memory.ts'
import type { Http2Session } from './session.ts'
import { SessionStream } from './session-stream.ts'
import { withoutKnown } from './without-known.ts'
import { writeHex } from './write-hex.ts'

const NEVER = Number.POSITIVE_INFINITY
const NO_BYTES = new Uint8Array(0)
/** Interim responses before the final one; more is a flood. */
const INTERIM_MAX = 16
/** Requests are kept for another try as long as they are no larger; before anything was sent, as large as they may get. */
const KEPT_BYTES_MAX = 64 * 1024
const UNSENT_BYTES_MAX = 256 * 1024
const CRLF = Uint8Array.of(13, 10)
const LAST_CHUNK = new Uint8Array(Buffer.from('0\r\n', 'latin1'))

/** The connection that streams belong to. */
export interface UpstreamStreamOwner {
  readonly context: EngineContext
  readonly session: Http2Session
  readonly memory: RequestMemory
  readonly timeouts: ConnectionTimeouts
  readonly scheme: 'http' | 'https'
  /** It has been there for another request before. */
  readonly wasUsed: boolean
  readonly isConnected: boolean
  /** A request is ready to be sent; `open` is called when it may. */
  enqueue(stream: Http2UpstreamStream): void
  /** A response took longer than it may. */
  timedOut(): void
  answered(): void
}

/** One request to an endpoint that speaks HTTP/2. */
export class Http2UpstreamStream extends SessionStream implements RequestCarrier {
  isConnected = false
  readonly #owner: UpstreamStreamOwner
  #receiver: ResponseReceiver | undefined
  #request: StoredRequest | undefined
  /** All that was handed over is in `#request`. */
  #isWhole = true
  #toHead = false
  #framing: Framing = NO_BODY
  #leftBytes = 0
  #chunks: ChunkedContent | undefined
  // The response.
  #hasBegun = false
  #interim = 0
  #responseFraming: Framing = NO_BODY
  #responseLeft = 0
  #contentOnly = false
  #isResponseOver = false
  /** Passed on while the receiver took no more. */
  #heldBytes = 0

  constructor(owner: UpstreamStreamOwner) {
    super(owner.session, 0)
    this.#owner = owner
  }

  get outbox(): Uint8Array {
    return this.#owner.memory.bytes
  }

  room(bytes: number): number {
    return this.#owner.memory.room(bytes)
  }

  push(receiver: ResponseReceiver, toHead: boolean, end: number, nowMs: number): void {
    this.#receiver = receiver
    this.#toHead = toHead
    this.#request = this.#owner.memory.store(end)
    this.deadlineMs = nowMs + this.#owner.timeouts.connectMs
    this.#owner.enqueue(this)
  }

  /** The connection is there, and has room for it as stream `id`, which stays unused if the request cannot be sent. */
  open(id: number, nowMs: number): void {
    const { context, timeouts, scheme } = this.#owner
    const { requestHead: head } = context.http2
    const { chunk, start, end } = this.#request!
    const at = head.scan(chunk.bytes, start, end)
    if (at > 0 && head.wantsUpgrade) {
      // Without its upgrade it would be another request than the client's.
      this.isClosed = true
      this.fail(PROXY_ERRORS.upgradeUnsupported, 'an upgrade to an endpoint that speaks HTTP/2')
      return
    }
    this.id = id
    this.sendWindow = this.session.peer.windowBytes
    this.deadlineMs = nowMs + timeouts.responseMs
    this.session.streams.set(id, this)
    // It has been written by the proxy itself.
    if (at <= 0) {
      this.#break(PROXY_ERRORS.badResponse, 'a request that cannot be sent on')
      return
    }
    this.#framing = head.framing
    this.#leftBytes = head.contentLength
    if (head.framing === CHUNKED) this.#chunks = new ChunkedContent()
    sendRequestHead(this.session, this, head, chunk.bytes, scheme, head.framing === NO_BODY)
    this.isConnected = true
    if (at < end) this.#sendContent(chunk.bytes, at, end)
    this.#receiver?.resumeRequest()
  }

  appendBody(b: Uint8Array, start: number, end: number, _from: Wire, nowMs: number): boolean {
    const { memory, timeouts } = this.#owner
    const request = this.#request
    if (request !== undefined && this.#isWhole && !memory.append(request, b, start, end)) {
      const bytes = request.end - request.start + (end - start)
      this.#isWhole = bytes <= (this.isConnected ? KEPT_BYTES_MAX : UNSENT_BYTES_MAX)
      if (this.#isWhole) {
        memory.move(request, end - start)
        memory.append(request, b, start, end)
      }
    }
    if (!this.isConnected) return true
    if (!this.#hasBegun) this.deadlineMs = nowMs + timeouts.responseMs
    return this.#sendContent(b, start, end)
  }

  resumeResponse(): void {
    const { clock, settings } = this.#owner.context
    const bytes = this.#heldBytes
    this.#heldBytes = 0
    this.deadlineMs = clock.monotonic() + settings.bodyMs
    this.credit(bytes)
  }

  abandon(receiver: ResponseReceiver): void {
    if (this.#receiver !== receiver) return
    this.#receiver = undefined
    this.#release()
    if (this.id === 0) this.isClosed = true
    else this.session.resetStream(this, CANCEL)
  }

  /** Sent elsewhere, without having been sent here. */
  handBack(): void {
    if (!this.#isWhole) {
      this.fail(PROXY_ERRORS.connectFailed, 'too much had been said already')
      return
    }
    const receiver = this.#receiver
    const request = this.#request
    this.#receiver = undefined
    if (receiver !== undefined && request !== undefined) {
      receiver.moved(request.chunk.bytes, request.start, request.end)
    }
    this.#release()
  }

  /** There will be no response. */
  fail(error: ProxyError, detail: string): void {
    const receiver = this.#receiver
    const request = this.#request
    this.#receiver = undefined
    if (receiver === undefined) return
    const atHand = this.#isWhole && request !== undefined && (receiver.isRequestDone || error.retry === 'safe')
    const { wasUsed } = this.#owner
    if (atHand) receiver.failed(error, detail, wasUsed, request.chunk.bytes, request.start, request.end)
    else receiver.failed(error, detail, wasUsed, NO_BYTES, 0, 0)
    this.#release()
  }

  override expire(_nowMs: number): void {
    this.deadlineMs = NEVER
    if (this.id === 0) {
      this.isClosed = true
      this.fail(PROXY_ERRORS.connectTimeout, 'no connection in time')
      return
    }
    this.session.resetStream(this, CANCEL)
    this.fail(PROXY_ERRORS.responseTimeout, this.#hasBegun ? 'the response stopped' : 'no response in time')
    this.#owner.timedOut()
  }

  // What the endpoint says.

  override onHead(isLast: boolean): void {
    const { context, timeouts } = this.#owner
    const { responseHead: head, clock, settings } = context
    const { text } = context.http2
    const nowMs = clock.monotonic()
    if (this.#hasBegun) {
      this.#readTrailers(isLast, nowMs)
      return
    }
    const end = composeResponse(this.session.block, isLast, this.#toHead, text)
    let refusal = end < 0 ? -end : 0
    if (refusal === 0 && head.scan(text, 0, end, this.#toHead) !== end) refusal = head.refusal || REFUSAL['bad-status']
    if (refusal === 0 && isLast && head.framing === BY_LENGTH) refusal = REFUSAL['body-length-mismatch']
    if (refusal !== 0) {
      this.#break(PROXY_ERRORS.badResponse, refusalName(refusal))
      return
    }
    const receiver = this.#receiver
    if (receiver === undefined) return
    if (head.status < 200) {
      if (++this.#interim > INTERIM_MAX)
        this.#break(PROXY_ERRORS.badResponse, refusalName(REFUSAL['too-many-interim-responses']))
      else {
        receiver.interimResponse(text)
        this.deadlineMs = nowMs + timeouts.responseMs
      }
      return
    }
    if (head.status >= 500 && this.#isRetried(receiver, head.status, nowMs)) {
      this.#receiver = undefined
      this.#release()
      this.#owner.answered()
      this.session.resetStream(this, CANCEL)
      return
    }
    this.#hasBegun = true
    this.#release()
    this.#responseFraming = head.framing
    this.#responseLeft = head.contentLength
    this.deadlineMs = nowMs + settings.bodyMs
    this.#contentOnly = receiver.responseHead(text, nowMs)
    if (isLast) this.#finish(nowMs)
    else receiver.responsePart()
  }

  override onData(b: Uint8Array, start: number, end: number, isLast: boolean): void {
    const { context } = this.#owner
    const receiver = this.#receiver
    const bytes = end - start
    if (receiver === undefined || this.#isResponseOver) {
      this.credit(bytes)
      return
    }
    const isMore = this.#responseFraming === BY_LENGTH && bytes > this.#responseLeft
    if (!this.#hasBegun || isMore || (this.#responseFraming === NO_BODY && bytes > 0)) {
      this.#break(PROXY_ERRORS.badResponse, refusalName(REFUSAL['unexpected-body']))
      return
    }
    const nowMs = context.clock.monotonic()
    this.#responseLeft -= bytes
    let mustWait = false
    if (bytes > 0) {
      mustWait = this.#passOn(receiver, b, start, end)
      if (!mustWait) this.credit(bytes)
      else this.#heldBytes += bytes
    }
    if (isLast) this.#end(undefined, nowMs)
    else {
      receiver.responsePart()
      this.deadlineMs = mustWait ? NEVER : nowMs + context.settings.bodyMs
    }
  }

  override onReset(code: number, isSafe: boolean): void {
    if (isSafe) this.fail(PROXY_ERRORS.refusedStream, 'the endpoint refused the stream')
    else if (this.session.isOver) {
      const { wasUsed } = this.#owner
      const error = wasUsed ? PROXY_ERRORS.reusedConnectionBroke : PROXY_ERRORS.connectionBroke
      this.fail(error, 'the connection ended before the response did')
    } else if (code === REFUSED_STREAM) this.fail(PROXY_ERRORS.refusedStream, 'the endpoint refused the stream')
    else this.fail(PROXY_ERRORS.streamReset, `the endpoint reset the stream: ${code}`)
  }

  override onWritable(): void {
    this.#receiver?.resumeRequest()
  }

  /** The request is sent again elsewhere, and this answer is not wanted. */
  #isRetried(receiver: ResponseReceiver, status: number, nowMs: number): boolean {
    const request = this.#request
    if (request === undefined || !this.#isWhole || !receiver.isRequestDone) return false
    return receiver.retriesAnswer(status, request.chunk.bytes, request.start, request.end, nowMs)
  }

  #passOn(receiver: ResponseReceiver, b: Uint8Array, start: number, end: number): boolean {
    const { wire } = this.session
    if (this.#contentOnly || this.#responseFraming !== CHUNKED) return receiver.responseBody(b, start, end, wire)
    const { text } = this.#owner.context.http2
    let p = writeHex(end - start, text, 0)
    p = copyBytes(CRLF, 0, 2, text, p)
    p = copyBytes(b, start, end, text, p)
    p = copyBytes(CRLF, 0, 2, text, p)
    return receiver.responseBody(text, 0, p, wire)
  }

  #readTrailers(isLast: boolean, nowMs: number): void {
    const { block } = this.session
    if (!isLast || block.refusal !== 0 || block.isTooLarge || block.linesStart !== 0) {
      this.#break(PROXY_ERRORS.badResponse, refusalName(REFUSAL['bad-trailer']))
      return
    }
    const { text, trailerLines } = this.#owner.context.http2
    const end = block.copyLines(text, 0)
    this.#end(block.hasKnown ? withoutKnown(text, end, trailerLines) : text.slice(0, end), nowMs)
  }

  /** All of the body has come. */
  #end(trailers: Uint8Array | undefined, nowMs: number): void {
    const receiver = this.#receiver
    if (receiver === undefined) return
    if (this.#responseFraming === BY_LENGTH && this.#responseLeft > 0) {
      this.#break(PROXY_ERRORS.badResponse, refusalName(REFUSAL['body-length-mismatch']))
      return
    }
    if (this.#responseFraming === CHUNKED && !this.#contentOnly) {
      const { text } = this.#owner.context.http2
      let p = copyBytes(LAST_CHUNK, 0, LAST_CHUNK.length, text, 0)
      if (trailers !== undefined) p = copyBytes(trailers, 0, trailers.length, text, p)
      p = copyBytes(CRLF, 0, 2, text, p)
      receiver.responseBody(text, 0, p, this.session.wire)
    }
    this.#finish(nowMs)
  }

  #finish(nowMs: number): void {
    const receiver = this.#receiver
    this.#receiver = undefined
    this.#isResponseOver = true
    this.deadlineMs = NEVER
    this.#release()
    this.#owner.answered()
    // The rest of the request is of no use to anybody.
    if (!this.isLocalEnded) this.session.resetStream(this, CANCEL)
    receiver?.responseEnd(nowMs)
  }

  /** The endpoint does not keep to the protocol. */
  #break(error: ProxyError, detail: string): void {
    this.session.resetStream(this, PROTOCOL_ERROR)
    this.fail(error, detail)
    this.session.faulted()
  }

  /** Framed as HTTP/1.1 has it. True: no more for now. */
  #sendContent(b: Uint8Array, start: number, end: number): boolean {
    if (this.isClosed || this.isLocalEnded) return false
    const chunks = this.#chunks
    let mustWait = false
    if (chunks === undefined) {
      if (end > start) mustWait = this.sendData(b, start, end)
      this.#leftBytes -= end - start
      if (this.#leftBytes <= 0) this.sendEnd(undefined)
      return mustWait
    }
    for (let at = start; at < end && !chunks.isDone; ) {
      at = chunks.advance(b, at, end)
      if (chunks.end > chunks.start) mustWait = this.sendData(b, chunks.start, chunks.end)
    }
    if (chunks.isDone) this.sendEnd(chunks.trailers)
    return mustWait
  }

  #release(): void {
    const request = this.#request
    this.#request = undefined
    if (request !== undefined) this.#owner.memory.release(request)
  }
}
