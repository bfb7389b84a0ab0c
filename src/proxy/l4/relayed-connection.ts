import type { Millis } from '../../base/clock.ts'

/** One client's connection and where it stands, as `Connections` sees it: what it counts by, and what it may ask for. */
export interface RelayedConnection {
  /** When bytes moved last, or the connection attempt began; monotonic. */
  readonly movedAt: Millis
  readonly isConnecting: boolean
  /** No endpoint stands behind the client's connection until its next request. */
  readonly isParked: boolean
  readonly isHalfClosed: boolean
  /** As far as can be told, the client waits for an answer. */
  readonly isAnswerDue: boolean
  /** Of the endpoint; empty while there is none. */
  readonly address: string
  /** The endpoint is going away and gets nothing new. */
  letGo(): void
  /** The endpoint may be chosen again. */
  takeBack(): void
  /** Resets both sides. */
  abort(): void
  /** Tells the client of a parked connection to close it. */
  end(): void
  keepAlive(): void
  connectTookTooLong(): void
}
