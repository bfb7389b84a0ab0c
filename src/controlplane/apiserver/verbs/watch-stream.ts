import { StatusError } from '../../../api/status-error.ts'
import type { WatchItem } from '../core-request.ts'

/** A watcher that lets this many events pile up is ended rather than buffered for without end. */
const WAITING_MAX = 2_000
/** The same for what they weigh, unless it is one alone. Slow watchers of one resource share the objects. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024

type Batch = readonly WatchItem[]

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }

/**
 * What one watcher is still to be sent, in batches: whatever came since it took the last one. Written by hand instead of
 * as a generator because each event passes here once for each of a thousand watchers.
 */
export class WatchStream implements AsyncIterable<Batch>, AsyncIterator<Batch, undefined> {
  /** The state at the start, which may be long and does not count as waiting. */
  #first: Batch
  #waiting: WatchItem[] = []
  #waitingBytes = 0
  #resolve: ((result: IteratorResult<Batch, undefined>) => void) | undefined
  #ended = false
  #cleanUp: (() => void) | undefined

  /** `first` may still be filled until the stream is handed over. */
  constructor(first: Batch) {
    this.#first = first
    this.#resolve = undefined
    this.#cleanUp = undefined
  }

  /** Called once when the stream ends, however it does. */
  onEnd(cleanUp: () => void): void {
    this.#cleanUp = cleanUp
  }

  push(item: WatchItem): void {
    if (this.#ended) return
    const resolve = this.#resolve
    if (resolve !== undefined) {
      this.#resolve = undefined
      resolve({ done: false, value: [item] })
      return
    }
    this.#waitingBytes += item.kind === 'event' ? item.object.size : 0
    if (this.#waiting.length < WAITING_MAX && (this.#waitingBytes <= WAITING_BYTES_MAX || this.#waiting.length === 0))
      this.#waiting.push(item)
    else {
      const why = new StatusError('Expired', 'the watcher is too slow and has missed events; list again')
      this.#waiting = []
      this.end({ kind: 'error', status: why.toStatus() })
    }
  }

  /** Tells how far the watch has come, unless events are waiting that say it better. */
  bookmark(revision: bigint): void {
    if (this.#waiting.length === 0 && this.#first.length === 0)
      this.push({ kind: 'bookmark', revision, initialEventsEnd: false })
  }

  /** No more events; what waits and `last` are still sent. */
  end(last?: WatchItem): void {
    if (this.#ended) return
    if (last !== undefined) {
      const resolve = this.#resolve
      this.#resolve = undefined
      if (resolve === undefined) this.#waiting.push(last)
      else resolve({ done: false, value: [last] })
    }
    this.#ended = true
    this.#resolve?.(DONE)
    this.#resolve = undefined
    this.#cleanUp?.()
    this.#cleanUp = undefined
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Batch, undefined>> {
    if (this.#first.length > 0) {
      const value = this.#first
      this.#first = []
      return Promise.resolve({ done: false, value })
    }
    if (this.#waiting.length > 0) {
      const value = this.#waiting
      this.#waiting = []
      this.#waitingBytes = 0
      return Promise.resolve({ done: false, value })
    }
    if (this.#ended) return Promise.resolve(DONE)
    return new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#first = []
    this.#waiting = []
    this.end()
    return Promise.resolve(DONE)
  }
}
