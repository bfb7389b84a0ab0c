const PART_BYTES_MIN = 4 * 1024

interface Part {
  readonly memory: Uint8Array
  start: number
  end: number
}

/** Bytes that wait, copied; however small the pieces are that they come in, they take little more memory than they are. */
export class ByteQueue {
  bytes = 0
  readonly #parts: Part[] = []

  push(b: Uint8Array, start: number, end: number): void {
    let from = start
    const last = this.#parts.at(-1)
    if (last !== undefined) {
      const count = Math.min(last.memory.length - last.end, end - from)
      last.memory.set(b.subarray(from, from + count), last.end)
      last.end += count
      from += count
    }
    if (from < end) {
      const memory = new Uint8Array(Math.max(PART_BYTES_MIN, end - from))
      memory.set(b.subarray(from, end))
      this.#parts.push({ memory, start: 0, end: end - from })
    }
    this.bytes += end - start
  }

  /** The first of them, as many as stand together; only while there are any. */
  first(): Uint8Array {
    const { memory, start, end } = this.#parts[0]!
    return memory.subarray(start, end)
  }

  /** The first `count`, no more than `first` has, are done with. */
  take(count: number): void {
    const part = this.#parts[0]!
    part.start += count
    this.bytes -= count
    if (part.start === part.end) this.#parts.shift()
  }

  clear(): void {
    this.#parts.length = 0
    this.bytes = 0
  }
}
