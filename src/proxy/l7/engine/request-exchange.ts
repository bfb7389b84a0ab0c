import type { Timer } from '../../../base/clock.ts'
import type { BalancedEndpoint } from '../../balance/balanced-endpoint.ts'
import { CANCELLED, ERRED, type Outcome, outcomeOfStatus, TIMED_OUT, UNREACHABLE } from '../../balance/outcome.ts'
import { REQUESTS } from '../../resilience/circuit-breaker.ts'
import { decideRetry } from '../../resilience/retry-rule.ts'
import { copyBytes } from '../http1/copy-bytes.ts'
import { CLOSES, PERSISTS, UPGRADES } from '../http1/forward-request.ts'
import { BY_LENGTH, NO_BODY } from '../http1/framing.ts'
import { GET, HEAD, methodName, OPTIONS, PATCH, POST, PUT, type RequestHead } from '../http1/request-head.ts'
import { statusOfGrpc } from '../http2/grpc.ts'
import type { RequestSeries } from '../metrics/upstream-metrics.ts'
import { noteRequest, type RequestNote, UNREADABLE } from '../observe/request-note.ts'
import type { RequestObserver } from '../observe/request-observer.ts'
import type { ClientPeer } from './client-peer.ts'
import { type EngineContext, READ_BYTES } from './engine-context.ts'
import { PROXY_ERRORS, type ProxyError } from './proxy-error.ts'
import type { RequestCarrier } from './request-carrier.ts'
import type { ResponseReceiver } from './response-receiver.ts'
import type { Route } from './route.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamEndpoint } from './upstream-endpoint.ts'
import type { Wire } from './wire.ts'

/** Bodies up to this can be sent again: at least what may come in one read, before there is a connection. */
const REPLAYABLE_BYTES_MAX = READ_BYTES
const NEVER = Number.POSITIVE_INFINITY

/** Whose requests they are: it gets the endpoint's response, or the reason why there is none. */
export interface ExchangeOwner extends ResponseReceiver {
  /** No try is under way and none will be. `isLater`: it was sent before, and this is not said within `send`. */
  refused(error: ProxyError, isLater: boolean): void
}

/**
 * One request at a time from its head to the end of its response, whatever the client speaks: which endpoint it goes to,
 * on what, when it is sent again, and what is counted of it. Made once for each place that a request may be in, and used
 * for one after another.
 */
export class RequestExchange {
  /** What it travels on; undefined: on nothing at the moment. */
  carrier: RequestCarrier | undefined
  method = GET
  /** The protocol asked for; undefined: none that may be. */
  upgrade: Uint8Array | undefined
  bytesIn = 0
  bytesOut = 0
  /** Of the answer; 0: there is none yet. */
  status = 0
  /** Of the answer to a gRPC call; -1: it is none, or there is none yet. */
  grpcCode = -1
  /** When the response's head was there; 0: not yet. */
  answeredAtMs = 0
  /** The response must have ended by then, all tries together. */
  untilMs = NEVER
  readonly #context: EngineContext
  readonly #owner: ExchangeOwner
  readonly #peer: ClientPeer
  readonly #countError: (code: string) => void
  #route: Route | undefined
  #endpoint: UpstreamEndpoint | undefined
  #series: RequestSeries | undefined
  #isLast = false
  #tries = 0
  #tried: BalancedEndpoint[] | undefined
  #lastTried: BalancedEndpoint | undefined
  /** What the balancer goes by; 0 where it does not. */
  #key = 0
  /** Where the client's session is; undefined: it has none. */
  #stuckTo: BalancedEndpoint | undefined
  /** Kept only where requests are told of. */
  #note: RequestNote | undefined
  #startedAtMs = 0
  #tryStartedAtMs = 0
  #retryTimer: Timer | undefined

  /** `countError`: of an answer of the proxy's own to a request that no route was found for. */
  constructor(context: EngineContext, owner: ExchangeOwner, peer: ClientPeer, countError: (code: string) => void) {
    this.#context = context
    this.#owner = owner
    this.#peer = peer
    this.#countError = countError
  }

  /** Where the response is counted; undefined: no endpoint has been chosen. */
  get series(): RequestSeries | undefined {
    return this.#series
  }

  /** A request has begun, whose head took `headBytes`. */
  begin(head: RequestHead, b: Uint8Array, headBytes: number, nowMs: number): void {
    const { observer } = this.#context
    this.#route = undefined
    this.upgrade = undefined
    this.method = head.method
    this.bytesIn = headBytes
    this.bytesOut = 0
    this.status = 0
    this.grpcCode = -1
    this.#tries = 0
    this.#tried = undefined
    this.#key = 0
    this.#stuckTo = undefined
    this.untilMs = NEVER
    this.#startedAtMs = nowMs
    this.#note = observer === undefined ? undefined : noteRequest(head, b)
  }

  /** It is counted from here on as one of `route`'s. */
  follow(route: Route, nowMs: number): void {
    const { upstream } = route
    this.#route = route
    upstream.metrics.inFlight += 1
    upstream.budget.deposit(nowMs)
    this.untilMs = nowMs + upstream.timeouts.requestMs
  }

  /** Lets the client change to the protocol that `head` asks for, where it may. */
  allowUpgrade(head: RequestHead, b: Uint8Array): void {
    const protocol = Buffer.from(b.subarray(head.upgradeStart, head.upgradeEnd)).toString('latin1').toLowerCase()
    if (this.#context.settings.upgrades.includes(protocol)) this.upgrade = Buffer.from(protocol, 'latin1')
  }

  /** The first try. */
  send(head: RequestHead, b: Uint8Array, nowMs: number): void {
    const { requestForwarder, settings } = this.#context
    const { upstream } = this.#route!
    const hasBody = head.framing !== NO_BODY
    const { method } = head
    const isSafe = method === GET || method === HEAD || method === OPTIONS
    const mayShare = isSafe && !hasBody && this.upgrade === undefined && settings.pipelining.depthMax > 1
    // Servers that pass over the body of such a request would take it for the next one.
    const isOddBody = hasBody && method !== POST && method !== PUT && method !== PATCH
    this.#isLast = isOddBody || this.upgrade !== undefined
    const { block } = this.#peer
    const carrier = this.#connect(this.#choose(head, b, upstream, block.address, nowMs), mayShare, false, nowMs)
    if (carrier === undefined) return
    const bodyRoom = head.framing === BY_LENGTH ? Math.min(head.contentLength, REPLAYABLE_BYTES_MAX) : 0
    const at = carrier.room(requestForwarder.bytesMax(head, block) + bodyRoom)
    const after = this.upgrade !== undefined ? UPGRADES : this.#isLast ? CLOSES : PERSISTS
    const end = requestForwarder.write(head, b, block, after, carrier.outbox, at)
    carrier.push(this.#owner, method === HEAD, end, nowMs, this.#isLast)
  }

  /** A part of the body, with its framing. True: hand over no more until `resumeRequest`. */
  sendBody(b: Uint8Array, start: number, end: number, from: Wire, nowMs: number): boolean {
    return this.carrier!.appendBody(b, start, end, from, nowMs)
  }

  /** Tells the client where its session is, when that is elsewhere than it said. */
  sessionLine(): Uint8Array | undefined {
    const affinity = this.#route?.upstream.affinity
    const endpoint = this.#endpoint?.balanced
    if (affinity === undefined || endpoint === undefined || endpoint === this.#stuckTo) return undefined
    return affinity.line(endpoint, this.#peer.scheme === 'https')
  }

  /** The response is not wanted any more. */
  abandon(outcome: Outcome, nowMs: number): void {
    const { carrier } = this
    this.carrier = undefined
    this.#retryTimer?.cancel()
    this.#retryTimer = undefined
    carrier?.abandon(this.#owner)
    this.endTry(outcome, nowMs)
  }

  /** A try has failed before anything of its response went on. True: there is or will be another one. */
  retry(error: ProxyError, wasReused: boolean, b: Uint8Array, start: number, end: number, nowMs: number): boolean {
    if (error.retry === 'never' || end === start) return false
    const afterMs = this.#retryAfterMs(error, wasReused, nowMs)
    if (afterMs === undefined) return false
    this.#tried ??= []
    // A connection that had grown old says nothing against its endpoint.
    if (error.retry !== 'ifReused') this.#tried.push(this.#lastTried!)
    this.#sendLater(afterMs, b, start, end, nowMs)
    return true
  }

  /**
   * The endpoint has answered with a status of 500 or more, of which nothing went on. True: that is not taken for the
   * answer, and there is or will be another try.
   */
  retryAnswer(status: number, b: Uint8Array, start: number, end: number, nowMs: number): boolean {
    const { retryStatuses } = this.#route!.upstream
    if (!retryStatuses.includes(status) || this.upgrade !== undefined) return false
    const afterMs = this.#retryAfterMs(PROXY_ERRORS.retriableAnswer, false, nowMs)
    if (afterMs === undefined) return false
    this.carrier = undefined
    this.endTry(outcomeOfStatus(status), nowMs)
    this.#tried ??= []
    this.#tried.push(this.#lastTried!)
    this.#sendLater(afterMs, b, start, end, nowMs)
    return true
  }

  /** When the next try is to be made, which is then paid for; undefined: there is to be none. */
  #retryAfterMs(error: ProxyError, wasReused: boolean, nowMs: number): number | undefined {
    const { upstream } = this.#route!
    const decision = decideRetry(
      {
        source: error.source,
        retry: error.retry,
        method: methodName(this.method),
        replayable: true,
        responseBegun: false,
        connectionReused: wasReused,
        tries: this.#tries,
        nowMs,
        deadlineMs: this.untilMs,
        covered: upstream.budget.covers(nowMs),
      },
      upstream.retryPolicy,
      this.#context.random,
    )
    if (decision.kind === 'giveUp') return undefined
    upstream.budget.withdraw(nowMs)
    upstream.metrics.retries += 1
    return decision.afterMs
  }

  #sendLater(afterMs: number, b: Uint8Array, start: number, end: number, nowMs: number): void {
    if (afterMs === 0) {
      this.#sendAgain(b, start, end, nowMs)
      return
    }
    const request = b.slice(start, end)
    this.#retryTimer = this.#context.clock.setTimer(afterMs, () => {
      this.#retryTimer = undefined
      this.#sendAgain(request, 0, request.length, this.#context.clock.monotonic())
    })
  }

  /** It waited too long where it was: on to another connection, which says nothing against anybody. */
  move(b: Uint8Array, start: number, end: number): void {
    const nowMs = this.#context.clock.monotonic()
    this.carrier = undefined
    this.endTry(CANCELLED, nowMs)
    this.#route!.upstream.metrics.moved += 1
    this.#sendAgain(b, start, end, nowMs)
  }

  endTry(outcome: Outcome, nowMs: number): void {
    const endpoint = this.#endpoint
    if (endpoint === undefined) return
    this.#endpoint = undefined
    this.#lastTried = endpoint.balanced
    const { upstream } = this.#route!
    upstream.breaker.release(REQUESTS)
    const untilMs = this.answeredAtMs > 0 ? this.answeredAtMs : nowMs
    upstream.group.finished(endpoint.balanced, nowMs, untilMs - this.#tryStartedAtMs, outcome)
  }

  /** Counts the request; `error` is the code of an answer of our own, or why there was no whole response. */
  end(error: string): void {
    const route = this.#route
    if (this.#context.observer !== undefined) this.#tell(this.#context.observer, error)
    if (route === undefined) {
      if (error !== '') this.#countError(error)
      return
    }
    this.#route = undefined
    const { metrics } = route.upstream
    metrics.inFlight -= 1
    if (error !== '') metrics.countError(error)
    if (this.grpcCode !== -1) metrics.grpc[this.grpcCode]! += 1
    const series = this.#series
    this.#series = undefined
    if (series !== undefined) {
      const latencyMs = this.#context.clock.monotonic() - this.#startedAtMs
      const status = this.grpcCode === -1 ? this.status : statusOfGrpc(this.status, this.grpcCode)
      series.record(status, latencyMs, this.bytesIn, this.bytesOut)
    }
  }

  /** By the client's session, if it has one, else as the balancer chooses. */
  #choose(
    head: RequestHead,
    b: Uint8Array,
    upstream: Upstream,
    address: Uint8Array,
    nowMs: number,
  ): UpstreamEndpoint | undefined {
    const { affinity, key } = upstream
    if (key !== undefined) this.#key = key.of(head, b, address)
    if (affinity !== undefined) {
      const endpoint = affinity.endpointOf(head, b, upstream.group.all())
      const stuck = endpoint === undefined ? undefined : upstream.pickStuck(endpoint, nowMs)
      this.#stuckTo = endpoint
      if (stuck !== undefined) return stuck
    }
    return upstream.pick(this.#key, nowMs)
  }

  /** Something to send on to the endpoint, where there may be; else the client is told. */
  #connect(
    endpoint: UpstreamEndpoint | undefined,
    mayShare: boolean,
    isLater: boolean,
    nowMs: number,
  ): RequestCarrier | undefined {
    const route = this.#route!
    const { breaker, group, transport } = route.upstream
    let error: ProxyError = PROXY_ERRORS.noEndpoint
    if (endpoint !== undefined) {
      error = PROXY_ERRORS.overloaded
      if (breaker.acquire(REQUESTS)) {
        const { proxyProtocol } = transport
        const carrier =
          proxyProtocol === undefined
            ? endpoint.acquire(mayShare, nowMs)
            : this.#peer.acquireOwn(endpoint, proxyProtocol, nowMs)
        if (carrier !== undefined) {
          this.carrier = carrier
          this.#endpoint = endpoint
          this.#series = endpoint.series(route)
          this.#tries++
          this.#tryStartedAtMs = nowMs
          this.answeredAtMs = 0
          group.started(endpoint.balanced, nowMs)
          return carrier
        }
        breaker.release(REQUESTS)
      }
    }
    this.#owner.refused(error, isLater)
    return undefined
  }

  /** Sends a request that has been rewritten already, on a connection without others. */
  #sendAgain(b: Uint8Array, start: number, end: number, nowMs: number): void {
    const { upstream } = this.#route!
    const tried = this.#tried
    const endpoint = tried === undefined ? upstream.pick(this.#key, nowMs) : upstream.pickOther(tried, this.#key, nowMs)
    const carrier = this.#connect(endpoint, false, true, nowMs)
    if (carrier === undefined) return
    const at = carrier.room(end - start)
    const stop = copyBytes(b, start, end, carrier.outbox, at)
    carrier.push(this.#owner, this.method === HEAD, stop, nowMs, this.#isLast)
    // Otherwise it says so itself once it is connected.
    if (carrier.isConnected) this.#owner.resumeRequest()
  }

  #tell(observer: RequestObserver, error: string): void {
    const note = this.#note ?? UNREADABLE
    this.#note = undefined
    const { clock } = this.#context
    const durationMs = note === UNREADABLE ? 0 : clock.monotonic() - this.#startedAtMs
    observer.ended({
      atMs: clock.now() - durationMs,
      client: this.#peer.address,
      method: note.method,
      host: note.host,
      target: note.target,
      status: this.status,
      durationMs,
      bytesIn: note === UNREADABLE ? 0 : this.bytesIn,
      bytesOut: this.bytesOut,
      route: this.#route?.name ?? '',
      service: this.#route?.upstream.name ?? '',
      endpoint: this.#series?.endpoint ?? '',
      tries: this.#tries,
      error,
    })
  }
}

export function outcomeOf(error: ProxyError): Outcome {
  if (error.status === 504) return TIMED_OUT
  // The endpoint was not asked.
  if (error === PROXY_ERRORS.upgradeUnsupported) return CANCELLED
  return error === PROXY_ERRORS.badResponse || error === PROXY_ERRORS.upgradeFailed ? ERRED : UNREACHABLE
}
