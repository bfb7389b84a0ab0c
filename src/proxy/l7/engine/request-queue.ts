import type { OutboxChunk } from './outbox.ts'
import type { ResponseReceiver } from './response-receiver.ts'

/** A request on a connection. */
export interface QueuedRequest {
  /** undefined: it is not wanted any more; the response is read and dropped. */
  receiver: ResponseReceiver | undefined
  chunk: OutboxChunk | undefined
  start: number
  end: number
  toHead: boolean
  /** All of the request is in `chunk`. */
  isWhole: boolean
  /** The response's head has been read. */
  hasBegun: boolean
  /** The receiver takes no chunks. */
  contentOnly: boolean
  sentAtMs: number
}

/**
 * The requests of one connection in the order of their answers: a ring whose places are used again and again, so that
 * nothing is allocated for a request.
 */
export class RequestQueue {
  /** Requests in it. */
  count = 0
  /** A power of two of them. */
  #places: QueuedRequest[] = [newPlace()]
  #head = 0

  /** The one that is answered next; there must be one. */
  get first(): QueuedRequest {
    return this.#places[this.#head]!
  }

  get last(): QueuedRequest {
    return this.at(this.count - 1)
  }

  at(i: number): QueuedRequest {
    return this.#places[(this.#head + i) & (this.#places.length - 1)]!
  }

  /** A place behind all others, to be filled in. */
  add(): QueuedRequest {
    if (this.count === this.#places.length) this.#grow()
    return this.at(this.count++)
  }

  /** The first one is done with. Its place stays as it is until it is used again. */
  shift(): QueuedRequest {
    const place = this.first
    this.#head = (this.#head + 1) & (this.#places.length - 1)
    this.count--
    return place
  }

  /** Takes out those from the `start`-th on, at most `max`; what they say holds on. */
  takeFrom(start: number, max = this.count): QueuedRequest[] {
    const taken: QueuedRequest[] = []
    const mask = this.#places.length - 1
    const stop = Math.max(start, Math.min(this.count, start + max))
    for (let i = start; i < stop; i++) {
      const place = (this.#head + i) & mask
      taken.push(this.#places[place]!)
      this.#places[place] = newPlace()
    }
    if (start === 0) this.#head = (this.#head + stop) & mask
    this.count -= stop - start
    return taken
  }

  #grow(): void {
    const old = this.#places
    this.#places = old.map((_, i) => this.at(i))
    this.#head = 0
    while (this.#places.length < old.length * 2) this.#places.push(newPlace())
  }
}

function newPlace(): QueuedRequest {
  return {
    receiver: undefined,
    chunk: undefined,
    start: 0,
    end: 0,
    toHead: false,
    isWhole: true,
    hasBegun: false,
    contentOnly: false,
    sentAtMs: 0,
  }
}
