import type { KnownStream } from './known-stream.ts'

/** Who an `Http2Session` serves. */
export interface SessionOwner {
  /** A head of a stream that is not known: a request. It is in the session's block. */
  opened(streamId: number, isLast: boolean): void
  /** The other side has said (again) what it takes. */
  settled(): void
  /** The other side opens and takes no further streams; those above `lastStreamId` have not been looked at. */
  goneAway(lastStreamId: number, code: number): void
  /** A stream has ended, in whatever way. */
  left(stream: KnownStream): void
  ponged(): void
  /** Why this side has broken the connection off, for counting. */
  broken(code: number, reason: string): void
  /** The other side takes nothing of what it asks for; it is not read from until it does. */
  stuck(): void
  /** All that was written has gone. */
  drained(): void
  /** Last. */
  closed(): void
}
