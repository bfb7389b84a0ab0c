/** A stream as its connection sees it: its state, its windows, and what frames and time do to it. */
export interface KnownStream {
  readonly id: number
  /** Left of what may be sent on it. */
  sendWindow: number
  /** This side has said all. */
  isLocalEnded: boolean
  isRemoteEnded: boolean
  readonly isClosed: boolean
  /** Each side ends by itself, as a connection's do. */
  readonly isTunnel: boolean
  /** The next time limit; monotonic. */
  deadlineMs: number
  /** Fields are in the session's block: a head, or, after one, trailers. */
  onHead(isLast: boolean): void
  /** Content; its bytes are to be credited when it has gone on. */
  onData(b: Uint8Array, start: number, end: number, isLast: boolean): void
  /** The other side, or the session's end, has ended it before its time. It is known no longer. */
  onReset(code: number, isSafe: boolean): void
  /** The time for something has passed, perhaps. */
  expire(nowMs: number): void
  /** Windows have opened, or the connection takes more again. */
  sendQueued(): void
  /** `bytes` came and count against the windows. False: more than the stream's window allows. */
  received(bytes: number): boolean
  /** `bytes` of what came have gone on: the other side may send as much again. */
  credit(bytes: number): void
  /** It is known no longer. */
  forget(): void
}
