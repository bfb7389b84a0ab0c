import type { Put } from '../store.ts'

const COUNT_MAX = 1_024
const BYTES_MAX = 16 * 1024 * 1024

/**
 * The newest values this process has written. A watch gives the writer's own bytes in place of equal ones that come back
 * from etcd, so that whoever knows what stands behind them need not read them again. Bounded by count and bytes.
 */
export class RecentWrites {
  readonly #byKey = new Map<string, Uint8Array>()
  #bytes = 0

  add({ key, value }: Put): void {
    this.#forget(key)
    this.#byKey.set(key, value)
    this.#bytes += value.byteLength
    for (const oldest of this.#byKey.keys()) {
      if (this.#byKey.size <= COUNT_MAX && this.#bytes <= BYTES_MAX) break
      this.#forget(oldest)
    }
  }

  /** The writer's bytes if they are these, else what came. */
  own(key: string, value: Buffer): Uint8Array {
    const written = this.#byKey.get(key)
    return written !== undefined && value.equals(written) ? written : value
  }

  #forget(key: string): void {
    const value = this.#byKey.get(key)
    if (value === undefined) return
    this.#bytes -= value.byteLength
    this.#byKey.delete(key)
  }
}
