import type { Clock } from '../../../base/clock.ts'
import { RequestForwarder } from '../http1/forward-request.ts'
import { ResponseForwarder } from '../http1/forward-response.ts'
import { RandomHex } from '../http1/random-hex.ts'
import { RequestHead } from '../http1/request-head.ts'
import { ResponseHead } from '../http1/response-head.ts'
import { Http2Memory } from '../http2/http2-memory.ts'
import type { RequestObserver } from '../observe/request-observer.ts'
import { Arena } from './arena.ts'
import { BulkBuffers } from './bulk-buffers.ts'
import { Deadlines } from './deadlines.ts'
import type { EngineSettings } from './engine-settings.ts'
import { OutboxChunks } from './outbox.ts'
import { TurnEnd } from './turn-end.ts'

/** A head and 64 KiB, which many servers write at once, in one read: 60 µs for such an answer instead of 65. */
export const READ_BYTES = 80 * 1024
const SHORT_EVERY_MS = 20

/** What all connections of one engine share: memory, heads, clock, time limits. One event loop has one. */
export class EngineContext {
  readonly settings: EngineSettings
  readonly clock: Clock
  /** 0 to 1, for choices. */
  readonly random: () => number
  readonly requestHead: RequestHead
  readonly responseHead: ResponseHead
  readonly requestForwarder: RequestForwarder
  readonly responseForwarder: ResponseForwarder
  readonly arena = new Arena()
  /** Every connection reads into this one, unless it carries much. */
  readonly readBuffer = new Uint8Array(READ_BYTES)
  readonly bulk = new BulkBuffers()
  readonly outboxChunks = new OutboxChunks()
  readonly deadlines: Deadlines
  /** For the connections of upstreams whose time limits are near the others' coarseness. */
  readonly shortDeadlines: Deadlines
  readonly turnEnd = new TurnEnd()
  /** Is told of requests that end; undefined: nobody is. */
  observer: RequestObserver | undefined = undefined
  /** No further requests: connections close after what they are about. */
  isDraining = false
  #http2: Http2Memory | undefined

  /** `seed`: four random words for ids. */
  constructor(settings: EngineSettings, clock: Clock, random: () => number, seed: Int32Array) {
    this.settings = settings
    this.clock = clock
    this.random = random
    this.requestHead = new RequestHead(settings.limits)
    this.responseHead = new ResponseHead(settings.limits)
    this.requestForwarder = new RequestForwarder(settings.forward, new RandomHex(seed))
    this.responseForwarder = new ResponseForwarder(settings.forward.pseudonym)
    this.deadlines = new Deadlines(clock)
    this.shortDeadlines = new Deadlines(clock, SHORT_EVERY_MS)
  }

  /** There from the first HTTP/2 connection on. */
  get http2(): Http2Memory {
    this.#http2 ??= new Http2Memory(this.settings.limits, this.settings.http2)
    return this.#http2
  }
}
