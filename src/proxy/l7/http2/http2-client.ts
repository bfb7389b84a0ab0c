import type { Client } from '../engine/client.ts'
import { ClientPeer } from '../engine/client-peer.ts'
import type { ClientSettings } from '../engine/client-settings.ts'
import type { EngineContext } from '../engine/engine-context.ts'
import type { Router } from '../engine/route.ts'
import { type EncryptedSocket, Wire } from '../engine/wire.ts'
import type { ConnectionEnds } from '../proxy-protocol/connection-ends.ts'
import { viaLine } from './encode-response.ts'
import { NO_ERROR, REFUSED_STREAM } from './frames.ts'
import { Http2ClientStream, type StreamOwner } from './http2-client-stream.ts'
import { Http2Session } from './session.ts'
import type { SessionOwner } from './session-owner.ts'

/** More than any stream's number: nothing is refused yet. */
const LAST_STREAM_MAX = 0x7fff_ffff
/** A client answers a ping before that, or is not waited for. */
const GOODBYE_MS = 1_000

/** The connection of a client that speaks HTTP/2. */
export class Http2Client implements Client, SessionOwner, StreamOwner {
  deadlineMs: number
  readonly context: EngineContext
  readonly peer: ClientPeer
  readonly router: Router
  readonly viaLine: Uint8Array
  readonly countError: (code: string) => void
  readonly #settings: ClientSettings
  readonly #session: Http2Session
  /** Since when nothing of what was written has gone; Infinity: nothing is waiting. */
  #stuckSinceMs = Number.POSITIVE_INFINITY
  #isDraining = false
  #hasSaidGoodbye = false

  /** `source`, `ends`: as of a `ClientConnection`. */
  constructor(
    context: EngineContext,
    settings: ClientSettings,
    source: object | EncryptedSocket | Wire,
    ends: ConnectionEnds | undefined,
  ) {
    this.context = context
    this.#settings = settings
    this.router = settings.router
    this.countError = settings.countError
    this.viaLine = viaLine(context.settings.forward.pseudonym)
    const wire = source instanceof Wire ? source : new Wire(context, NOBODY, source)
    this.peer = new ClientPeer(context, wire, ends, settings, '2.0')
    this.#session = new Http2Session(context, this, wire, true)
    wire.owner = this.#session
    this.deadlineMs = context.clock.monotonic() + context.settings.headMs
    context.deadlines.add(this)
    if (!(source instanceof Wire)) wire.resume()
  }

  /** What came before it was known that this is HTTP/2. */
  onBytes(count: number, b: Uint8Array): boolean {
    return this.#session.onBytes(count, b)
  }

  /**
   * Says that no further requests will be taken, twice: after the first time those that are on their way are still
   * served, and the answer to a ping tells when none is any more (RFC 9113 §6.8).
   */
  drain(): void {
    if (this.#isDraining || this.#session.isOver) return
    this.#isDraining = true
    this.#session.writer.goAway(LAST_STREAM_MAX, NO_ERROR)
    this.#session.writer.ping()
    this.deadlineMs = Math.min(this.deadlineMs, this.context.clock.monotonic() + GOODBYE_MS)
  }

  destroy(): void {
    this.#session.wire.socket.destroy()
  }

  expire(nowMs: number): void {
    const session = this.#session
    const { settings } = this.context
    if (session.isOver) {
      if (session.isBlocked) session.wire.reset()
      else this.destroy()
      return
    }
    if (session.isBlocked) {
      if (this.#stuckSinceMs === Number.POSITIVE_INFINITY) this.#stuckSinceMs = nowMs
      if (nowMs - this.#stuckSinceMs >= settings.bodyMs) {
        session.wire.reset()
        return
      }
      this.deadlineMs = nowMs
    }
    if (this.#isDraining && !this.#hasSaidGoodbye) this.#sayGoodbye()
    if (session.streams.size === 0) {
      if (session.isBlocked) return
      if (session.isSettled) session.writer.goAway(session.lastPeerStream, NO_ERROR)
      session.finish()
      return
    }
    session.expireStreams(nowMs)
    if (!session.isOver && session.streams.size > 0) this.deadlineMs = nowMs
  }

  // What the session says.

  opened(streamId: number, isLast: boolean): void {
    const session = this.#session
    const stream = new Http2ClientStream(this, session, streamId)
    stream.isRemoteEnded = isLast
    session.streams.set(streamId, stream)
    if (this.#hasSaidGoodbye) {
      session.resetStream(stream, REFUSED_STREAM)
      return
    }
    // Looked at with every sweep from here on.
    this.deadlineMs = 0
    stream.open(isLast)
  }

  settled(): void {
    if (this.#session.streams.size === 0) this.#restUntilAsked()
  }

  goneAway(): void {}

  ponged(): void {
    if (this.#isDraining) this.#sayGoodbye()
  }

  left(): void {
    if (this.#session.streams.size > 0 || this.#session.isOver) return
    if (this.#hasSaidGoodbye) this.#session.finish()
    else this.#restUntilAsked()
  }

  broken(code: number, reason: string): void {
    if (code !== NO_ERROR) this.countError(reason)
    this.deadlineMs = this.context.clock.monotonic() + this.context.settings.lingerMs
  }

  stuck(): void {
    this.deadlineMs = 0
  }

  drained(): void {
    this.#stuckSinceMs = Number.POSITIVE_INFINITY
    if (this.#session.streams.size === 0 && !this.#session.isOver) this.#restUntilAsked()
  }

  closed(): void {
    this.context.deadlines.delete(this)
    this.peer.close()
    this.#settings.onClosed(this)
  }

  #sayGoodbye(): void {
    if (this.#hasSaidGoodbye || this.#session.isOver) return
    this.#hasSaidGoodbye = true
    this.#session.writer.goAway(this.#session.lastPeerStream, NO_ERROR)
    if (this.#session.streams.size === 0) this.#session.finish()
  }

  #restUntilAsked(): void {
    const { clock, settings } = this.context
    this.deadlineMs = clock.monotonic() + (this.#isDraining ? GOODBYE_MS : settings.clientIdleMs)
  }
}

const NOBODY = { onBytes: () => false, onDrained() {}, onEnd() {}, onClose() {} }
