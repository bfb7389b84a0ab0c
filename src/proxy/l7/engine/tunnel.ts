import type { EngineContext } from './engine-context.ts'
import type { TunnelSide } from './tunnel-side.ts'
import type { Wire } from './wire.ts'

/** What moved through a tunnel. */
export interface TunnelCounts {
  moved(bytesFromClient: number, bytesFromUpstream: number): void
}

/** One direction of a tunnel: what arrives on `from` goes to `to`. */
class Direction implements TunnelSide {
  readonly #from: Wire
  readonly #to: Wire
  readonly #onMoved: (bytes: number) => void
  #isPaused = false
  /** The opposite one. */
  other: Direction | undefined

  constructor(from: Wire, to: Wire, onMoved: (bytes: number) => void) {
    this.#from = from
    this.#to = to
    this.#onMoved = onMoved
  }

  bytes(b: Uint8Array, count: number): boolean {
    const from = this.#from
    if (this.#to.isDestroyed) return false
    this.#onMoved(count)
    this.#to.passOn(from, b, 0, count)
    from.isBulk = count === b.length
    this.#isPaused = this.#to.isPending
    return !this.#isPaused
  }

  kept(b: Uint8Array, start: number, end: number): void {
    this.#onMoved(end - start)
    this.#to.write(b.slice(start, end))
  }

  /** `from` has written all it had: the other direction may go on. */
  drained(): void {
    this.other?.goOn()
  }

  goOn(): void {
    this.#from.returned()
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#from.resume()
  }

  end(): void {
    if (!this.#to.isDestroyed) this.#to.socket.end()
  }

  closed(): void {
    // After both ends in order there is nothing left to write, and closing is all that happens.
    if (!this.#to.isDestroyed) {
      if (this.#from.socket.readableEnded) this.#to.socket.end()
      else this.#to.reset()
    }
  }
}

/** Joins two connections that have stopped to speak HTTP. Ends pass each way by themselves, resets both ways. */
export function openTunnel(
  context: EngineContext,
  client: Wire,
  upstream: Wire,
  counts: TunnelCounts,
  onMoved: (deadlineMs: number) => void,
): { readonly client: TunnelSide; readonly upstream: TunnelSide } {
  const moved = (fromClient: number, fromUpstream: number): void => {
    counts.moved(fromClient, fromUpstream)
    onMoved(context.clock.monotonic() + context.settings.tunnelIdleMs)
  }
  const up = new Direction(client, upstream, (bytes) => moved(bytes, 0))
  const down = new Direction(upstream, client, (bytes) => moved(0, bytes))
  up.other = down
  down.other = up
  return { client: up, upstream: down }
}
