import type { Clock, Timer } from '../../../base/clock.ts'
import type { UpstreamConnection } from './upstream-connection.ts'
import type { StallWatch } from './upstream-endpoint.ts'

/**
 * Has requests moved to other connections when the one before them takes too long (`SharingRule.stallAfterMs`). Runs only while
 * requests wait behind others. What has already arrived is read before anything is decided, since it may be this
 * process that was slow.
 */
export class TimedStallWatch implements StallWatch {
  readonly #clock: Clock
  readonly #stallMs: number
  readonly #connections = new Set<UpstreamConnection>()
  #timer: Timer | undefined

  constructor(clock: Clock, stallMs: number) {
    this.#clock = clock
    this.#stallMs = stallMs
  }

  add(connection: UpstreamConnection): void {
    if (this.#connections.has(connection)) return
    this.#connections.add(connection)
    this.#timer ??= this.#clock.setTimer(this.#stallMs / 2, this.#onTimer)
  }

  delete(connection: UpstreamConnection): void {
    this.#connections.delete(connection)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#connections.clear()
  }

  readonly #onTimer = (): void => {
    setImmediate(this.#look)
  }

  readonly #look = (): void => {
    const nowMs = this.#clock.monotonic()
    for (const connection of this.#connections) {
      if (!connection.isStalled(nowMs)) continue
      this.#connections.delete(connection)
      connection.moveWaiting(nowMs)
    }
    this.#timer = this.#connections.size === 0 ? undefined : this.#clock.setTimer(this.#stallMs / 2, this.#onTimer)
  }
}
