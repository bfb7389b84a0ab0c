const CHUNK_BYTES = 32 * 1024
const SPARE_MAX = 256

/** Memory that requests are written to and sent from; it stays as it is until all of them were answered. */
export interface OutboxChunk {
  readonly bytes: Uint8Array
  used: number
  /** Requests in it that may have to be sent again. */
  live: number
}

/** Spare chunks, shared by all connections of an engine. */
export class OutboxChunks {
  readonly #spare: OutboxChunk[] = []

  take(bytes: number): OutboxChunk {
    if (bytes > CHUNK_BYTES) return { bytes: new Uint8Array(bytes), used: 0, live: 0 }
    return this.#spare.pop() ?? { bytes: new Uint8Array(CHUNK_BYTES), used: 0, live: 0 }
  }

  giveBack(chunk: OutboxChunk): void {
    if (chunk.bytes.length !== CHUNK_BYTES || this.#spare.length >= SPARE_MAX) return
    chunk.used = 0
    chunk.live = 0
    this.#spare.push(chunk)
  }
}
