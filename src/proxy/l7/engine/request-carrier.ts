import type { ResponseReceiver } from './response-receiver.ts'
import type { Wire } from './wire.ts'

/**
 * What a request to an endpoint travels on: a connection, or one stream of a connection. Requests are handed over as
 * HTTP/1.1, whatever is spoken beyond: so one endpoint's failed try can be sent again to any other.
 */
export interface RequestCarrier {
  /** False: what is handed over waits, and the carrier says itself when it goes on. */
  readonly isConnected: boolean
  /** Memory that the request is written to. */
  readonly outbox: Uint8Array
  /** Where a request of up to `bytes` may be written to, in `outbox`; `push` follows. */
  room(bytes: number): number
  /** The request that was written from `room` to `end` is under way. `isLast`: nothing else may follow it. */
  push(receiver: ResponseReceiver, toHead: boolean, end: number, nowMs: number, isLast: boolean): void
  /** A part of the last request's body, with its framing. True: hand over no more until `resumeRequest`. */
  appendBody(b: Uint8Array, start: number, end: number, from: Wire, nowMs: number): boolean
  /** The receiver can take more of the response. */
  resumeResponse(): void
  /** `receiver` wants no response any more. */
  abandon(receiver: ResponseReceiver): void
}
