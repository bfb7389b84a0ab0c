import type { TunnelCounts } from '../engine/tunnel.ts'
import type { TunnelSide } from '../engine/tunnel-side.ts'
import type { Wire } from '../engine/wire.ts'
import { CANCEL, CONNECT_ERROR } from './frames.ts'
import type { SessionStream } from './session-stream.ts'

/** Joins a client's stream with a connection to an endpoint that has stopped to speak HTTP. */
export class StreamTunnel implements TunnelSide {
  readonly #stream: SessionStream
  readonly #upstream: Wire
  readonly #counts: TunnelCounts
  #heldBytes = 0
  #isUpstreamPaused = false

  constructor(stream: SessionStream, upstream: Wire, counts: TunnelCounts) {
    this.#stream = stream
    this.#upstream = upstream
    this.#counts = counts
  }

  // What the endpoint does.

  bytes(b: Uint8Array, count: number): boolean {
    if (this.#stream.isClosed) return false
    this.#counts.moved(0, count)
    this.#isUpstreamPaused = this.#stream.sendData(b, 0, count)
    return !this.#isUpstreamPaused
  }

  kept(b: Uint8Array, start: number, end: number): void {
    this.#counts.moved(0, end - start)
    this.#stream.sendData(b, start, end)
  }

  drained(): void {
    const bytes = this.#heldBytes
    this.#heldBytes = 0
    this.#stream.credit(bytes)
  }

  end(): void {
    if (!this.#stream.isClosed) this.#stream.sendEnd(undefined)
  }

  closed(): void {
    if (!this.#stream.isLocalEnded) this.#stream.session.resetStream(this.#stream, CONNECT_ERROR)
    else if (!this.#stream.isClosed) this.#stream.session.resetStream(this.#stream, CANCEL)
  }

  // What the client does.

  data(b: Uint8Array, start: number, end: number, isLast: boolean): void {
    const upstream = this.#upstream
    if (end > start && !upstream.isDestroyed) {
      this.#counts.moved(end - start, 0)
      upstream.passOn(this.#stream.session.wire, b, start, end)
      if (upstream.isPending) this.#heldBytes += end - start
      else this.#stream.credit(end - start)
    }
    if (isLast && !upstream.isDestroyed) upstream.socket.end()
  }

  writable(): void {
    if (!this.#isUpstreamPaused) return
    this.#isUpstreamPaused = false
    this.#upstream.resume()
  }

  /** The stream has ended on both sides, or before its time. */
  left(wasReset: boolean): void {
    if (this.#upstream.isDestroyed) return
    if (wasReset) this.#upstream.reset()
    else this.#upstream.finish()
  }
}
