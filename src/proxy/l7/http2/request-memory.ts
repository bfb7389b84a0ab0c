import type { OutboxChunk, OutboxChunks } from '../engine/outbox.ts'

/** Where one request stands, as HTTP/1.1 has it, for as long as it may have to be sent again. */
export interface StoredRequest {
  chunk: OutboxChunk
  start: number
  end: number
}

/** Memory for the requests of one connection, one after another in chunks. */
export class RequestMemory {
  readonly #chunks: OutboxChunks
  #chunk: OutboxChunk | undefined

  constructor(chunks: OutboxChunks) {
    this.#chunks = chunks
  }

  /** To be written to from `room` on. */
  get bytes(): Uint8Array {
    return this.#chunk!.bytes
  }

  /** Where up to `bytes` may be written to; `store` follows. */
  room(bytes: number): number {
    const chunk = this.#chunk
    if (chunk !== undefined && chunk.bytes.length - chunk.used < bytes) {
      this.#chunk = undefined
      if (chunk.live === 0) this.#chunks.giveBack(chunk)
    }
    this.#chunk ??= this.#chunks.take(bytes)
    return this.#chunk.used
  }

  store(end: number): StoredRequest {
    const chunk = this.#chunk!
    const start = chunk.used
    chunk.used = end
    chunk.live++
    return { chunk, start, end }
  }

  /** Adds to a request. False: there is no room for it where it stands. */
  append(request: StoredRequest, b: Uint8Array, start: number, end: number): boolean {
    const { chunk } = request
    if (chunk.used !== request.end || chunk.bytes.length - chunk.used < end - start) return false
    chunk.bytes.set(b.subarray(start, end), chunk.used)
    chunk.used += end - start
    request.end = chunk.used
    return true
  }

  /** Moves a request to memory of its own, with room for `bytes` more. */
  move(request: StoredRequest, bytes: number): void {
    const { chunk, start, end } = request
    const own = new Uint8Array(2 * (end - start + bytes))
    own.set(chunk.bytes.subarray(start, end))
    this.release(request)
    request.chunk = { bytes: own, used: end - start, live: 1 }
    request.start = 0
    request.end = end - start
  }

  release({ chunk }: StoredRequest): void {
    chunk.live--
    if (chunk.live > 0) return
    if (chunk !== this.#chunk) this.#chunks.giveBack(chunk)
    else chunk.used = 0
  }

  close(): void {
    if (this.#chunk?.live === 0) this.#chunks.giveBack(this.#chunk)
    this.#chunk = undefined
  }
}
