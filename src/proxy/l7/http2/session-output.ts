import type { EngineContext } from '../engine/engine-context.ts'
import type { OutboxChunk } from '../engine/outbox.ts'
import type { Wire } from '../engine/wire.ts'
import { END_STREAM, FRAME_HEAD_BYTES } from './frames.ts'

const CHUNK_BYTES = 32 * 1024
/** Two full frames of data go into one chunk. */
export const DATA_BYTES_MAX = CHUNK_BYTES / 2 - FRAME_HEAD_BYTES
const FLAGS_AT = 4

/**
 * What one connection writes: frames of all its streams, gathered until the end of the event loop's turn or until a
 * chunk is full, so that many streams share one system call.
 */
export class SessionOutput {
  readonly #context: EngineContext
  readonly #wire: Wire
  #chunk: OutboxChunk | undefined
  /** Written from, and not gone yet. */
  #held: OutboxChunk[] = []
  #isPlanned = false
  /** Where the latest frame of data begins in the chunk at hand, and whose it is; -1: it has left. */
  #dataAt = -1
  #dataStream = 0

  constructor(context: EngineContext, wire: Wire) {
    this.#context = context
    this.#wire = wire
  }

  /** The other side does not take what there is: only what cannot wait is to be added. */
  get isBlocked(): boolean {
    return this.#wire.isPending
  }

  /** Bytes that were added while blocked. */
  get heldBytes(): number {
    return this.#held.length * CHUNK_BYTES + (this.#chunk?.used ?? 0)
  }

  /** To be written to from `room` on. */
  get bytes(): Uint8Array {
    return this.#chunk!.bytes
  }

  /** Where up to `bytes` may be written to, in `this.bytes`; `commit` follows. */
  room(bytes: number): number {
    if (this.#chunk !== undefined && this.#chunk.bytes.length - this.#chunk.used < bytes) this.#write()
    this.#chunk ??= this.#context.outboxChunks.take(bytes)
    return this.#chunk.used
  }

  commit(end: number): void {
    this.#chunk!.used = end
    if (this.#isPlanned) return
    this.#isPlanned = true
    this.#context.turnEnd.flushLater(this)
  }

  /** The frame of data that begins at `at` was written for a stream; see `endsWithData`. */
  noteData(at: number, streamId: number): void {
    this.#dataAt = at
    this.#dataStream = streamId
  }

  /** Makes the stream's latest frame of data its last one, if that has not left yet. */
  endsWithData(streamId: number): boolean {
    if (this.#dataAt === -1 || this.#dataStream !== streamId) return false
    this.#chunk!.bytes[this.#dataAt + FLAGS_AT]! |= END_STREAM
    this.#dataAt = -1
    return true
  }

  flush(): void {
    this.#isPlanned = false
    this.#write()
  }

  /** All has gone. */
  drained(): void {
    for (const chunk of this.#held) this.#context.outboxChunks.giveBack(chunk)
    this.#held.length = 0
  }

  #write(): void {
    const chunk = this.#chunk
    this.#dataAt = -1
    if (chunk === undefined) return
    this.#chunk = undefined
    if (chunk.used > 0 && !this.#wire.isDestroyed) this.#wire.write(chunk.bytes.subarray(0, chunk.used))
    if (this.#wire.isHolding) this.#held.push(chunk)
    else this.#context.outboxChunks.giveBack(chunk)
  }
}
