import type { ProxyError } from './proxy-error.ts'
import type { TunnelSide } from './tunnel-side.ts'
import type { Wire } from './wire.ts'

/** A connection that has stopped to speak HTTP. */
export interface UpgradedConnection {
  readonly wire: Wire
  /** From now on its bytes go there. */
  enterTunnel(side: TunnelSide): void
}

/** Whoever sent a request and gets its response. What is passed by offsets holds during the call only. */
export interface ResponseReceiver {
  /** All of the request has been handed over. */
  readonly isRequestDone: boolean
  /**
   * An interim response stands in the context's `responseHead`. True: the receiver cannot take more for now and will call
   * `resumeResponse`.
   */
  interimResponse(b: Uint8Array): boolean
  /** 101 stands there; what is left in the connection's inbox and what follows belongs to the tunnel. False: not wanted. */
  upgraded(b: Uint8Array, connection: UpgradedConnection): boolean
  /**
   * The final response has a status of 500 or more, and `b[start, end)` is the request as it was sent. True: the receiver
   * sends it again and wants nothing of this response. To be asked before `responseHead`, if the request is at hand.
   */
  retriesAnswer(status: number, b: Uint8Array, start: number, end: number, nowMs: number): boolean
  /** The final response's head stands there. True: the receiver takes no chunks, only what is in them. */
  responseHead(b: Uint8Array, nowMs: number): boolean
  /** A part of the body. True: the receiver cannot take more for now and will call `resumeResponse`. */
  responseBody(b: Uint8Array, start: number, end: number, from: Wire): boolean
  /** Nothing more for now: what was gathered is to be written. */
  responsePart(): void
  responseEnd(nowMs: number): void
  /**
   * There will be no (further) response on this connection. Until this returns, `b[start, end)` is the request as it was
   * sent; empty when it is not at hand as a whole. With an error that is `safe` it may be the first part of a
   * request whose rest is still to come.
   */
  failed(error: ProxyError, detail: string, wasReused: boolean, b: Uint8Array, start: number, end: number): void
  /** The request waited too long behind others; it was safe, and is to be sent again on another connection. */
  moved(b: Uint8Array, start: number, end: number): void
  /** The endpoint's connection can take more of the request's body. */
  resumeRequest(): void
}
