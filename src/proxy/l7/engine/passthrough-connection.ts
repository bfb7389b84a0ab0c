import type { BalancedEndpoint } from '../../balance/balanced-endpoint.ts'
import { CANCELLED, type Outcome, SUCCEEDED, TIMED_OUT, UNREACHABLE } from '../../balance/outcome.ts'
import { CONNECTIONS } from '../../resilience/circuit-breaker.ts'
import type { ConnectionEnds } from '../proxy-protocol/connection-ends.ts'
import { writeProxyHeader } from '../proxy-protocol/write-proxy-header.ts'
import { readClientHello } from '../tls/client-hello.ts'
import type { Client } from './client.ts'
import type { EngineContext } from './engine-context.ts'
import { PROXY_ERRORS } from './proxy-error.ts'
import type { Route } from './route.ts'
import type { ServerNameRouter } from './server-name-router.ts'
import { socketEnds } from './socket-ends.ts'
import { openTunnel } from './tunnel.ts'
import type { TunnelSide } from './tunnel-side.ts'
import type { UpstreamEndpoint } from './upstream-endpoint.ts'
import { Wire, type WireOwner } from './wire.ts'

/** A part of the ClientHello, or nothing yet. */
const HELLO = 0
const CONNECTING = 1
const TUNNEL = 2
/** Only its end is left. */
const ENDING = 3

/** Endpoints that are tried for one connection. */
const TRIES_MAX = 3
/** With records of a few bytes each a hello takes more than what it says; beyond this it is refused. */
const KEPT_BYTES_MAX = 32 * 1024
const NOTHING = new Uint8Array(0)
const UNRECOGNIZED_NAME = 112
const INTERNAL_ERROR = 80

/** What a listener gives its connections. */
export interface PassthroughSettings {
  readonly router: ServerNameRouter
  onClosed(connection: PassthroughConnection): void
  /** A connection that no route was found for. */
  countError(code: string): void
}

/**
 * One client's connection whose TLS ends at an endpoint. Its ClientHello is looked at to find out which; from then on
 * bytes pass both ways as they are.
 */
export class PassthroughConnection implements WireOwner, Client {
  deadlineMs: number
  readonly #context: EngineContext
  readonly #settings: PassthroughSettings
  readonly #ends: ConnectionEnds | undefined
  readonly #wire: Wire
  #state = HELLO
  #kept: Uint8Array = NOTHING
  #route: Route | undefined
  #endpoint: UpstreamEndpoint | undefined
  #upstream: Wire | undefined
  #tunnel: TunnelSide | undefined
  readonly #tried: BalancedEndpoint[] = []
  /** What the balancer goes by; 0 where it does not. */
  #key = 0
  #startedAtMs = 0
  #connectMs = 0

  /** `source`: the accepted connection, not yet read from. `ends`: what a proxy before us says of its client's. */
  constructor(
    context: EngineContext,
    settings: PassthroughSettings,
    source: object | Wire,
    ends: ConnectionEnds | undefined,
  ) {
    this.#context = context
    this.#settings = settings
    this.#ends = ends
    this.deadlineMs = context.clock.monotonic() + context.settings.headMs
    this.#wire = source instanceof Wire ? source : new Wire(context, this, source)
    this.#wire.owner = this
    context.deadlines.add(this)
    this.#wire.resume()
  }

  /** What is under way goes on: nobody here knows where it could end. */
  drain(): void {
    if (this.#state !== TUNNEL) this.destroy()
  }

  destroy(): void {
    this.#wire.socket.destroy()
  }

  expire(nowMs: number): void {
    if (this.#state === HELLO) this.#refuse('no-client-hello', undefined)
    else if (this.#state === CONNECTING) this.#tryOther(TIMED_OUT, nowMs)
    else this.#wire.reset()
  }

  onBytes(count: number, b: Uint8Array): boolean {
    if (this.#state === TUNNEL) return this.#tunnel!.bytes(b, count)
    if (this.#state === ENDING) return true
    const arrived = b.subarray(0, count)
    this.#kept = this.#kept.length === 0 ? Uint8Array.from(arrived) : Buffer.concat([this.#kept, arrived])
    if (this.#state === CONNECTING) return false
    const reading = readClientHello(this.#kept)
    if (reading.kind === 'incomplete') {
      if (this.#kept.length <= KEPT_BYTES_MAX) return true
      this.#refuse('client-hello-too-long', undefined)
    } else if (reading.kind === 'refused') this.#refuse(reading.reason, undefined)
    else this.#begin(reading.serverName)
    return false
  }

  onDrained(): void {
    this.#tunnel?.drained()
  }

  onEnd(): void {
    if (this.#state === TUNNEL) this.#tunnel!.end()
    else this.destroy()
  }

  onClose(): void {
    const state = this.#state
    this.#state = ENDING
    this.#context.deadlines.delete(this)
    if (state === TUNNEL) this.#tunnel!.closed()
    else if (state === CONNECTING) this.#endTry(CANCELLED)
    this.#endRoute()
    this.#settings.onClosed(this)
  }

  #begin(serverName: string | undefined): void {
    const nowMs = this.#context.clock.monotonic()
    const route = this.#settings.router.route(serverName)
    if (route === undefined) {
      this.#refuse(serverName === undefined ? 'no-server-name' : PROXY_ERRORS.noRoute.code, UNRECOGNIZED_NAME)
      return
    }
    this.#route = route
    route.upstream.metrics.inFlight += 1
    const address = this.#ends?.source.address ?? this.#wire.socket.remoteAddress ?? ''
    this.#key = route.upstream.key?.ofConnection(address, serverName) ?? 0
    this.#connect(route.upstream.pick(this.#key, nowMs), nowMs)
  }

  #connect(endpoint: UpstreamEndpoint | undefined, nowMs: number): void {
    const { upstream } = this.#route!
    if (endpoint === undefined) {
      this.#refuse(PROXY_ERRORS.noEndpoint.code, INTERNAL_ERROR)
      return
    }
    if (!upstream.breaker.acquire(CONNECTIONS)) {
      this.#refuse(PROXY_ERRORS.overloaded.code, INTERNAL_ERROR)
      return
    }
    this.#state = CONNECTING
    this.#endpoint = endpoint
    this.#tried.push(endpoint.balanced)
    this.#startedAtMs = nowMs
    this.deadlineMs = nowMs + upstream.timeouts.connectMs
    upstream.group.started(endpoint.balanced, nowMs)
    const side: WireOwner = {
      onBytes: () => true,
      onDrained() {},
      onEnd() {},
      onClose: () => {
        if (this.#upstream === wire) this.#tryOther(UNREACHABLE, this.#context.clock.monotonic())
      },
    }
    const wire = new Wire(this.#context, side, undefined)
    this.#upstream = wire
    wire.connect(endpoint.address, endpoint.port, () => this.#pass(wire))
  }

  #pass(wire: Wire): void {
    const { clock, settings } = this.#context
    const route = this.#route!
    const { proxyProtocol } = route.upstream.transport
    const series = this.#endpoint!.series(route)
    const nowMs = clock.monotonic()
    this.#connectMs = nowMs - this.#startedAtMs
    const counts = { moved: (bytesIn: number, bytesOut: number): void => series.addBytes(bytesIn, bytesOut) }
    const tunnel = openTunnel(this.#context, this.#wire, wire, counts, (deadlineMs) => {
      this.deadlineMs = deadlineMs
    })
    this.#state = TUNNEL
    this.#tunnel = tunnel.client
    this.deadlineMs = nowMs + settings.tunnelIdleMs
    wire.owner = {
      onBytes: (count, b) => tunnel.upstream.bytes(b, count),
      onDrained: () => tunnel.upstream.drained(),
      onEnd: () => tunnel.upstream.end(),
      onClose: () => {
        this.#endTry(SUCCEEDED)
        tunnel.upstream.closed()
      },
    }
    if (proxyProtocol !== undefined) {
      wire.write(writeProxyHeader(proxyProtocol, this.#ends ?? socketEnds(this.#wire.socket)))
    }
    tunnel.client.kept(this.#kept, 0, this.#kept.length)
    this.#kept = NOTHING
    wire.resume()
    this.#wire.resume()
  }

  #tryOther(outcome: Outcome, nowMs: number): void {
    this.#endTry(outcome)
    if (this.#state !== CONNECTING) return
    const error = outcome === TIMED_OUT ? PROXY_ERRORS.connectTimeout : PROXY_ERRORS.connectFailed
    const { upstream } = this.#route!
    const isLast = this.#tried.length >= TRIES_MAX
    const other = isLast ? undefined : upstream.pickOther(this.#tried, this.#key, nowMs)
    if (other === undefined) this.#refuse(error.code, INTERNAL_ERROR)
    else this.#connect(other, nowMs)
  }

  /** Once per endpoint that was begun with. */
  #endTry(outcome: Outcome): void {
    const endpoint = this.#endpoint
    if (endpoint === undefined) return
    this.#endpoint = undefined
    const { upstream } = this.#route!
    const nowMs = this.#context.clock.monotonic()
    upstream.breaker.release(CONNECTIONS)
    // How long the bytes flowed says nothing about the endpoint; how long it took to answer does.
    const latencyMs = outcome === SUCCEEDED ? this.#connectMs : nowMs - this.#startedAtMs
    upstream.group.finished(endpoint.balanced, nowMs, latencyMs, outcome)
    const wire = this.#upstream
    this.#upstream = undefined
    if (outcome !== SUCCEEDED) wire?.socket.destroy()
  }

  #endRoute(): void {
    const route = this.#route
    if (route === undefined) return
    this.#endTry(SUCCEEDED)
    this.#route = undefined
    route.upstream.metrics.inFlight -= 1
  }

  /** `alert`: the TLS alert (RFC 8446 §6) that tells the client; undefined: it is not spoken to. */
  #refuse(code: string, alert: number | undefined): void {
    const route = this.#route
    if (route === undefined) this.#settings.countError(code)
    else route.upstream.metrics.countError(code)
    this.#state = ENDING
    const { clock, settings } = this.#context
    this.deadlineMs = clock.monotonic() + settings.lingerMs
    if (alert !== undefined) this.#wire.write(Uint8Array.of(21, 3, 1, 0, 2, 2, alert))
    this.#wire.socket.destroySoon()
  }
}
