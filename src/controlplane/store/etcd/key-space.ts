import assert from 'node:assert/strict'

/** Where a store's keys stand in etcd: every key begins with `here`, in etcd with `there` instead. */
export interface KeyPlace {
  readonly here: string
  readonly there: string
}

/** A half-open range of etcd's keys. */
export interface KeyRange {
  readonly key: Buffer
  readonly range_end: Buffer
}

/** To etcd, a single NUL means "from the first key" as a start and "to the last one" as an end. */
const OPEN = Buffer.from([0])

/** Keys as etcd has them: bytes, in another place if the user said so (`--store-prefix`). */
export class KeySpace {
  readonly #place: KeyPlace

  constructor(place: KeyPlace) {
    this.#place = place
  }

  /** What every key begins with. */
  get root(): string {
    return this.#place.here
  }

  toEtcd(key: string): Buffer {
    const { here, there } = this.#place
    assert(key.startsWith(here), `${key} stands under ${here}`)
    return Buffer.from(there + key.slice(here.length))
  }

  fromEtcd(key: Uint8Array): string {
    const { here, there } = this.#place
    return here + Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString().slice(there.length)
  }

  /** All keys with this prefix, or of them those behind `after`. */
  range(prefix: string, after?: string): KeyRange {
    const start = this.toEtcd(prefix)
    const end = endOf(start)
    if (after !== undefined) {
      const behind = Buffer.concat([this.toEtcd(after), OPEN])
      if (Buffer.compare(behind, start) > 0) return { key: behind, range_end: end }
    }
    return { key: start.length === 0 ? OPEN : start, range_end: end }
  }
}

/** The first bytes after all that begin with these. */
function endOf(prefix: Buffer): Buffer {
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (prefix[i] === 0xff) continue
    const end = Buffer.from(prefix.subarray(0, i + 1))
    end[i]! += 1
    return end
  }
  return OPEN
}
