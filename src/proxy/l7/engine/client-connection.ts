import type { Timer } from '../../../base/clock.ts'
import type { BalancedEndpoint } from '../../balance/balanced-endpoint.ts'
import {
  CANCELLED,
  ERRED,
  type Outcome,
  outcomeOfStatus,
  SUCCEEDED,
  TIMED_OUT,
  UNREACHABLE,
} from '../../balance/outcome.ts'
import { REQUESTS } from '../../resilience/circuit-breaker.ts'
import { decideRetry } from '../../resilience/retry-rule.ts'
import { copyBytes } from '../http1/copy-bytes.ts'
import { equalsWord } from '../http1/field-values.ts'
import { CLOSES, type ClientBlock, PERSISTS, UPGRADES } from '../http1/forward-request.ts'
import { SAYS_CLOSE, SAYS_KEEP_ALIVE, SAYS_NOTHING } from '../http1/forward-response.ts'
import { BY_LENGTH, CHUNKED, NO_BODY, UNTIL_CLOSE } from '../http1/framing.ts'
import { BODY_READ, HEAD_READ, MESSAGE_END, NEED_MORE } from '../http1/read-event.ts'
import { REFUSAL, refusalName, refusalStatus } from '../http1/refusal.ts'
import { GET, HEAD, methodName, OPTIONS, PATCH, POST, PUT, type RequestHead } from '../http1/request-head.ts'
import { RequestReader } from '../http1/request-reader.ts'
import type { RequestSeries } from '../metrics/upstream-metrics.ts'
import { noteRequest, type RequestNote, UNREADABLE } from '../observe/request-note.ts'
import type { RequestObserver } from '../observe/request-observer.ts'
import type { ConnectionEnds } from '../proxy-protocol/connection-ends.ts'
import { type ProxyProtocolVersion, writeProxyHeader } from '../proxy-protocol/write-proxy-header.ts'
import type { EngineContext } from './engine-context.ts'
import { ownAnswer } from './own-answer.ts'
import { PROXY_ERRORS, type ProxyError } from './proxy-error.ts'
import type { ResponseReceiver, UpgradedConnection } from './response-receiver.ts'
import type { Route, Router } from './route.ts'
import { socketEnds } from './socket-ends.ts'
import { openTunnel } from './tunnel.ts'
import type { TunnelSide } from './tunnel-side.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamConnection } from './upstream-connection.ts'
import type { UpstreamEndpoint } from './upstream-endpoint.ts'
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

/** Bodies up to this can be sent again. */
const REPLAYABLE_BYTES_MAX = 64 * 1024
/** With so much to come, memory of its own is worth its while. */
const BULK_BYTES = 32 * 1024
/** Parts of a body from here on are written on as they are, if their memory allows it. */
const UNCOPIED_BYTES_MIN = 4 * 1024
const LINGER_BYTES_MAX = 1024 * 1024
const NEVER = Number.POSITIVE_INFINITY

/** What a listener gives its connections. */
export interface ClientSettings {
  readonly scheme: 'http' | 'https'
  readonly router: Router
  onClosed(connection: ClientConnection): void
  /** An answer of the proxy's own to a request that no route was found for. */
  countError(code: string): void
}

/**
 * One client's connection. Its requests are served strictly one after another: the next one is looked at when the
 * response before it has been written. So one set of fields holds the request under way, and nothing is allocated for
 * it in the ordinary case.
 */
export class ClientConnection implements ResponseReceiver {
  deadlineMs: number
  isRequestDone = true
  readonly #context: EngineContext
  readonly #settings: ClientSettings
  readonly #ends: ConnectionEnds | undefined
  readonly #wire: Wire
  readonly #reader: RequestReader
  #block: ClientBlock | undefined
  #state = IDLE
  #isHeadBegun = false
  /** The client has ended its side. */
  #isEnded = false
  #isClosing = false
  #isReadPaused = false
  #isRequestPaused = false
  #isProcessing = false
  #lingeredBytes = 0
  #tunnel: TunnelSide | undefined
  /** Connections that are used for this client alone. */
  #own: Map<UpstreamEndpoint, UpstreamConnection> | undefined
  #retryTimer: Timer | undefined

  // The request under way.
  #route: Route | undefined
  #endpoint: UpstreamEndpoint | undefined
  #connection: UpstreamConnection | undefined
  #series: RequestSeries | undefined
  #method = GET
  #minor = 1
  /** The protocol asked for; undefined: none that may be. */
  #upgrade: Uint8Array | undefined
  #isLast = false
  #bodyBytes = 0
  #bytesIn = 0
  #bytesOut = 0
  #status = 0
  #tries = 0
  #tried: BalancedEndpoint[] | undefined
  /** What the balancer goes by; 0 where it does not. */
  #key = 0
  /** Where the client's session is; undefined: it has none. */
  #stuckTo: BalancedEndpoint | undefined
  /** Kept only where requests are told of. */
  #note: RequestNote | undefined
  /** The response must have ended by then, all tries together. */
  #untilMs = NEVER
  /** Some of the response has been written. */
  #hasHeadGone = false
  #startedAtMs = 0
  #tryStartedAtMs = 0
  #answeredAtMs = 0

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
    this.#ends = ends
    this.#reader = new RequestReader(context.requestHead, context.settings.limits.headBytesMax)
    this.deadlineMs = context.clock.monotonic() + context.settings.headMs
    this.#wire = source instanceof Wire ? source : new Wire(context, this, source)
    this.#wire.owner = this
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
      this.deadlineMs = this.#untilMs
      this.#connection?.resumeResponse()
    } else if (this.#state === IDLE) {
      this.deadlineMs = this.#context.clock.monotonic() + this.#context.settings.clientIdleMs
      this.#goOn()
    }
  }

  onEnd(): void {
    this.#isEnded = true
    if (this.#state === TUNNEL) this.#tunnel!.end()
    else if (this.#state === IDLE && !this.#isUnread()) this.#wire.socket.end()
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
    this.#retryTimer?.cancel()
    if (wasInTunnel) this.#tunnel!.closed()
    else if (isUnderWay) {
      const connection = this.#connection
      this.#connection = undefined
      connection?.abandon(this)
      this.#endTry(CANCELLED, this.#context.clock.monotonic())
      this.#endRequest('client-closed')
    }
    if (this.#own !== undefined) for (const connection of this.#own.values()) connection.close()
    this.#settings.onClosed(this)
  }

  expire(nowMs: number): void {
    const { socket } = this.#wire
    if (this.#wire.isPending || this.#state >= TUNNEL) this.#wire.reset()
    else if (this.#state === IDLE && !this.#isHeadBegun) socket.destroy()
    else {
      const connection = this.#connection
      this.#connection = undefined
      connection?.abandon(this)
      const isOverall = nowMs >= this.#untilMs
      const error = isOverall ? PROXY_ERRORS.overallTimeout : PROXY_ERRORS.requestTimeout
      this.#retryTimer?.cancel()
      this.#retryTimer = undefined
      if (this.#state !== IDLE) this.#endTry(isOverall ? TIMED_OUT : CANCELLED, nowMs)
      this.#answer(error.status, error.code, !isOverall || !this.isRequestDone)
      if (isOverall) this.#goOn()
    }
  }

  // What the endpoint's connection says.

  interimResponse(b: Uint8Array): void {
    const { arena, responseForwarder, responseHead } = this.#context
    if (this.#minor === 0) return
    arena.used = responseForwarder.write(responseHead, b, true, SAYS_NOTHING, arena.bytes, 0)
    this.#flush()
    this.#hasHeadGone = false
  }

  upgraded(b: Uint8Array, connection: UpgradedConnection): boolean {
    const { arena, responseForwarder, responseHead, settings } = this.#context
    const { lines, upgradeLine } = responseHead
    const wanted = this.#upgrade
    if (wanted === undefined || upgradeLine === -1 || !responseHead.connection.upgrade) return false
    if (!equalsWord(b, lines.valueStart[upgradeLine]!, lines.valueEnd[upgradeLine]!, wanted)) return false
    const nowMs = this.#context.clock.monotonic()
    arena.used = responseForwarder.write(responseHead, b, true, SAYS_NOTHING, arena.bytes, 0)
    this.#flush()
    this.#status = 101
    this.#answeredAtMs = nowMs
    this.#endTry(SUCCEEDED, nowMs)
    const series = this.#series!
    this.#endRequest('')
    this.#connection = undefined
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

  responseHead(b: Uint8Array, nowMs: number): boolean {
    const { arena, responseForwarder, responseHead } = this.#context
    this.#state = RESPONDING
    this.#status = responseHead.status
    this.#answeredAtMs = nowMs
    const takesChunks = this.#minor === 1
    const contentOnly = !takesChunks && responseHead.framing === CHUNKED
    // A body that the client is still sending cannot be told from its next request once this is over; and after an
    // upgrade that was not granted nobody can say what the client takes its next bytes to be.
    if (!this.isRequestDone || this.#upgrade !== undefined) this.#isClosing = true
    if (contentOnly || responseHead.framing === UNTIL_CLOSE || this.#context.isDraining) this.#isClosing = true
    const word = this.#isClosing ? SAYS_CLOSE : takesChunks ? SAYS_NOTHING : SAYS_KEEP_ALIVE
    arena.used = responseForwarder.write(responseHead, b, takesChunks, word, arena.bytes, 0, this.#sessionLine())
    this.#bytesOut += arena.used
    return contentOnly
  }

  responseBody(b: Uint8Array, start: number, end: number, from: Wire): boolean {
    const { arena } = this.#context
    this.#bytesOut += end - start
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
    this.#connection = undefined
    this.#endTry(outcomeOfStatus(this.#status), nowMs)
    this.#endRequest('')
    this.#settle(nowMs)
    this.#goOn()
  }

  failed(error: ProxyError, _detail: string, wasReused: boolean, b: Uint8Array, start: number, end: number): void {
    const nowMs = this.#context.clock.monotonic()
    const endpoint = this.#endpoint!
    this.#connection = undefined
    this.#endTry(outcomeOf(error), nowMs)
    if (this.#hasHeadGone) {
      // What has gone is not the whole response, and the client must not take it for one.
      this.#endRequest(error.code)
      this.#state = LINGERING
      this.#context.arena.used = 0
      this.#wire.reset()
      return
    }
    this.#context.arena.used = 0
    this.#state = WAITING
    if (error.retry !== 'never' && end > start && this.#retry(error, endpoint, wasReused, b, start, end, nowMs)) return
    this.#answer(error.status, error.code, false)
    this.#goOn()
  }

  moved(b: Uint8Array, start: number, end: number): void {
    const nowMs = this.#context.clock.monotonic()
    this.#connection = undefined
    this.#endTry(CANCELLED, nowMs)
    this.#route!.upstream.metrics.moved += 1
    this.#sendAgain(b, start, end, nowMs)
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
        this.deadlineMs = this.#untilMs
      } else {
        const connection = this.#connection
        this.#connection = undefined
        connection?.abandon(this)
        if (this.#state !== IDLE) this.#endTry(CANCELLED, this.#context.clock.monotonic())
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
    const b = reader.inbox.bytes
    const nowMs = context.clock.monotonic()
    this.#state = WAITING
    this.#isHeadBegun = false
    this.isRequestDone = false
    this.#isRequestPaused = false
    this.#hasHeadGone = false
    this.#route = undefined
    this.#upgrade = undefined
    this.#method = head.method
    this.#minor = head.minor
    this.#bodyBytes = 0
    this.#bytesIn = reader.to - reader.from
    this.#bytesOut = 0
    this.#status = 0
    this.#tries = 0
    this.#tried = undefined
    this.#key = 0
    this.#stuckTo = undefined
    this.#untilMs = NEVER
    this.#startedAtMs = nowMs
    if (!head.keepsAlive || context.isDraining) this.#isClosing = true
    if (head.framing === NO_BODY) {
      reader.next()
      this.isRequestDone = true
      this.deadlineMs = NEVER
    } else this.deadlineMs = nowMs + settings.bodyMs
    this.#note = context.observer === undefined ? undefined : noteRequest(head, b)
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
    this.#route = route
    route.upstream.metrics.inFlight += 1
    route.upstream.budget.deposit(nowMs)
    this.#untilMs = nowMs + route.upstream.timeouts.requestMs
    this.deadlineMs = Math.min(this.deadlineMs, this.#untilMs)
    if (head.wantsUpgrade) this.#allowUpgrade(head, b)
    this.#send(head, b, nowMs)
  }

  #allowUpgrade(head: RequestHead, b: Uint8Array): void {
    const protocol = Buffer.from(b.subarray(head.upgradeStart, head.upgradeEnd)).toString('latin1').toLowerCase()
    if (this.#context.settings.upgrades.includes(protocol)) this.#upgrade = Buffer.from(protocol, 'latin1')
  }

  #send(head: RequestHead, b: Uint8Array, nowMs: number): void {
    const { requestForwarder, settings } = this.#context
    const { upstream } = this.#route!
    const hasBody = head.framing !== NO_BODY
    const { method } = head
    const isSafe = method === GET || method === HEAD || method === OPTIONS
    const mayShare = isSafe && !hasBody && this.#upgrade === undefined && settings.pipelining.depthMax > 1
    // Servers that pass over the body of such a request would take it for the next one.
    const isOddBody = hasBody && method !== POST && method !== PUT && method !== PATCH
    this.#isLast = isOddBody || this.#upgrade !== undefined
    this.#block ??= requestForwarder.clientBlock(
      this.#ends?.source.address ?? this.#wire.socket.remoteAddress ?? 'unknown',
      this.#settings.scheme,
    )
    const connection = this.#connect(this.#choose(head, b, upstream, nowMs), mayShare, nowMs)
    if (connection === undefined) return
    const bodyRoom = head.framing === BY_LENGTH ? Math.min(head.contentLength, REPLAYABLE_BYTES_MAX) : 0
    const at = connection.room(requestForwarder.bytesMax(head, this.#block) + bodyRoom)
    const after = this.#upgrade !== undefined ? UPGRADES : this.#isLast ? CLOSES : PERSISTS
    const end = requestForwarder.write(head, b, this.#block, after, connection.outbox, at)
    connection.push(this, method === HEAD, end, nowMs, this.#isLast)
  }

  /** By the client's session, if it has one, else as the balancer chooses. */
  #choose(head: RequestHead, b: Uint8Array, upstream: Upstream, nowMs: number): UpstreamEndpoint | undefined {
    const { affinity, key } = upstream
    if (key !== undefined) this.#key = key.of(head, b, this.#block!.address)
    if (affinity !== undefined) {
      const endpoint = affinity.endpointOf(head, b, upstream.group.all())
      const stuck = endpoint === undefined ? undefined : upstream.pickStuck(endpoint, nowMs)
      this.#stuckTo = endpoint
      if (stuck !== undefined) return stuck
    }
    return upstream.pick(this.#key, nowMs)
  }

  /** Tells the client where its session is, when that is elsewhere than it said. */
  #sessionLine(): Uint8Array | undefined {
    const affinity = this.#route?.upstream.affinity
    const endpoint = this.#endpoint?.balanced
    if (affinity === undefined || endpoint === undefined || endpoint === this.#stuckTo) return undefined
    return affinity.line(endpoint, this.#settings.scheme === 'https')
  }

  /** A connection to the endpoint, where there may be one; else the client is answered. */
  #connect(endpoint: UpstreamEndpoint | undefined, mayShare: boolean, nowMs: number): UpstreamConnection | undefined {
    const route = this.#route!
    const { breaker, group } = route.upstream
    let error: ProxyError = PROXY_ERRORS.noEndpoint
    if (endpoint !== undefined) {
      error = PROXY_ERRORS.overloaded
      if (breaker.acquire(REQUESTS)) {
        const { proxyProtocol } = route.upstream.transport
        const connection =
          proxyProtocol === undefined
            ? endpoint.acquire(mayShare, nowMs)
            : this.#acquireOwn(endpoint, proxyProtocol, nowMs)
        if (connection !== undefined) {
          this.#connection = connection
          this.#endpoint = endpoint
          this.#series = endpoint.series(route)
          this.#tries++
          this.#tryStartedAtMs = nowMs
          this.#answeredAtMs = 0
          group.started(endpoint.balanced, nowMs)
          return connection
        }
        breaker.release(REQUESTS)
      }
    }
    this.#answer(error.status, error.code, false)
    return undefined
  }

  /** One that says whose it is. It serves this client's further requests, and ends with it. */
  #acquireOwn(
    endpoint: UpstreamEndpoint,
    version: ProxyProtocolVersion,
    nowMs: number,
  ): UpstreamConnection | undefined {
    this.#own ??= new Map()
    const known = this.#own.get(endpoint)
    if (known?.isUsable === true && known.count === 0 && nowMs < known.deadlineMs) return known
    known?.close()
    const preface = writeProxyHeader(version, this.#ends ?? socketEnds(this.#wire.socket))
    const connection = endpoint.acquireOwn(preface, nowMs)
    if (connection !== undefined) this.#own.set(endpoint, connection)
    return connection
  }

  #sendBody(start: number, end: number): void {
    const { clock, settings } = this.#context
    this.#bodyBytes += end - start
    this.#bytesIn += end - start
    const connection = this.#connection
    if (connection === undefined) return
    if (this.#bodyBytes > settings.bodyBytesMax) {
      this.#connection = undefined
      connection.abandon(this)
      this.#endTry(CANCELLED, clock.monotonic())
      this.#answer(413, refusalName(REFUSAL['body-too-large']), true)
      return
    }
    const nowMs = clock.monotonic()
    this.deadlineMs = Math.min(nowMs + settings.bodyMs, this.#untilMs)
    if (connection.appendBody(this.#reader.inbox.bytes, start, end, this.#wire, nowMs)) this.#isRequestPaused = true
  }

  #retry(
    error: ProxyError,
    endpoint: UpstreamEndpoint,
    connectionReused: boolean,
    b: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
  ): boolean {
    const { upstream } = this.#route!
    const decision = decideRetry(
      {
        source: error.source,
        retry: error.retry,
        method: methodName(this.#method),
        replayable: true,
        responseBegun: false,
        connectionReused,
        tries: this.#tries,
        nowMs,
        deadlineMs: this.#untilMs,
        covered: upstream.budget.covers(nowMs),
      },
      upstream.retryPolicy,
      this.#context.random,
    )
    if (decision.kind === 'giveUp') return false
    upstream.budget.withdraw(nowMs)
    upstream.metrics.retries += 1
    this.#tried ??= []
    // A connection that had grown old says nothing against its endpoint.
    if (error.retry !== 'ifReused') this.#tried.push(endpoint.balanced)
    if (decision.afterMs === 0) this.#sendAgain(b, start, end, nowMs)
    else {
      const request = b.slice(start, end)
      this.#retryTimer = this.#context.clock.setTimer(decision.afterMs, () => {
        this.#retryTimer = undefined
        this.#sendAgain(request, 0, request.length, this.#context.clock.monotonic())
      })
    }
    return true
  }

  /** Sends a request that has been rewritten already, on a connection without others. */
  #sendAgain(b: Uint8Array, start: number, end: number, nowMs: number): void {
    const { upstream } = this.#route!
    const tried = this.#tried
    const endpoint = tried === undefined ? upstream.pick(this.#key, nowMs) : upstream.pickOther(tried, this.#key, nowMs)
    const connection = this.#connect(endpoint, false, nowMs)
    if (connection === undefined) {
      this.#goOn()
      return
    }
    const at = connection.room(end - start)
    const stop = copyBytes(b, start, end, connection.outbox, at)
    connection.push(this, this.#method === HEAD, stop, nowMs, this.#isLast)
    // Otherwise it says so itself once it is connected.
    if (connection.isConnected) this.resumeRequest()
  }

  #endTry(outcome: Outcome, nowMs: number): void {
    const endpoint = this.#endpoint
    if (endpoint === undefined) return
    this.#endpoint = undefined
    const { upstream } = this.#route!
    upstream.breaker.release(REQUESTS)
    const untilMs = this.#answeredAtMs > 0 ? this.#answeredAtMs : nowMs
    upstream.group.finished(endpoint.balanced, nowMs, untilMs - this.#tryStartedAtMs, outcome)
  }

  /** Counts the request; `error` is the code of an answer of our own, or why there was no whole response. */
  #endRequest(error: string): void {
    const route = this.#route
    if (this.#context.observer !== undefined) this.#tell(this.#context.observer, error)
    if (route === undefined) {
      if (error !== '') this.#settings.countError(error)
      return
    }
    this.#route = undefined
    const { metrics } = route.upstream
    metrics.inFlight -= 1
    if (error !== '') metrics.countError(error)
    const series = this.#series
    this.#series = undefined
    if (series !== undefined) {
      const latencyMs = this.#context.clock.monotonic() - this.#startedAtMs
      series.record(this.#status, latencyMs, this.#bytesIn, this.#bytesOut)
    }
  }

  #tell(observer: RequestObserver, error: string): void {
    const note = this.#note ?? UNREADABLE
    this.#note = undefined
    const { clock } = this.#context
    const durationMs = note === UNREADABLE ? 0 : clock.monotonic() - this.#startedAtMs
    const block = this.#block
    observer.ended({
      atMs: clock.now() - durationMs,
      client:
        block === undefined ? (this.#wire.socket.remoteAddress ?? '') : Buffer.from(block.address).toString('latin1'),
      method: note.method,
      host: note.host,
      target: note.target,
      status: this.#status,
      durationMs,
      bytesIn: note === UNREADABLE ? 0 : this.#bytesIn,
      bytesOut: this.#bytesOut,
      route: this.#route?.name ?? '',
      service: this.#route?.upstream.name ?? '',
      endpoint: this.#series?.endpoint ?? '',
      tries: this.#tries,
      error,
    })
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
      this.#endRequest(code)
      this.#state = LINGERING
      this.#wire.reset()
      return
    }
    this.#status = status
    if (closes || !this.isRequestDone || this.#minor === 0) this.#isClosing = true
    const isHead = this.#state !== IDLE && this.#method === HEAD
    const bytes = ownAnswer(status, code, isHead, this.#isClosing)
    this.#bytesOut = bytes.length
    this.#wire.write(bytes)
    this.#endRequest(code)
    this.#settle(this.#context.clock.monotonic())
  }

  /** After a response: on to the next request, or to the end. */
  #settle(nowMs: number): void {
    this.#untilMs = NEVER
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
    inbox.at = inbox.end
    this.#wire.isBulk = false
    this.#wire.socket.end()
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

function outcomeOf(error: ProxyError): Outcome {
  if (error.status === 504) return TIMED_OUT
  return error === PROXY_ERRORS.badResponse || error === PROXY_ERRORS.upgradeFailed ? ERRED : UNREACHABLE
}
