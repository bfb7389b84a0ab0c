const BYTES = 96 * 1024
const VIEWS = 64

/**
 * The one buffer that responses are put together in, each from its start. Nearly every write is taken by the kernel at
 * once, so the next response overwrites it; when one is not, the buffer goes to that write and another takes its place
 * (measured: 1 KB responses cost 15.9 µs this way, 19 in buffers of their own).
 */
export class Arena {
  bytes = new Uint8Array(BYTES)
  used = 0
  /** Views from 0 by length: responses of one service have few lengths, and a view costs more than a look-up. */
  readonly #views = new Array<Buffer | undefined>(VIEWS).fill(undefined)

  get room(): number {
    return BYTES - this.used
  }

  /** What was put together; the arena is empty after it. */
  take(): Buffer {
    const length = this.used
    this.used = 0
    const slot = length & (VIEWS - 1)
    const known = this.#views[slot]
    if (known !== undefined && known.length === length) return known
    const view = Buffer.from(this.bytes.buffer, 0, length)
    this.#views[slot] = view
    return view
  }

  /** What was taken last is still being written. */
  replace(): void {
    this.bytes = new Uint8Array(BYTES)
    this.used = 0
    this.#views.fill(undefined)
  }
}
