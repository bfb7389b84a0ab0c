import { LOWER } from '../../http1/byte-classes.ts'
import { copyBytes } from '../../http1/copy-bytes.ts'
import { HEADER, headerSet, UNDERSCORED } from '../../http1/header-ids.ts'
import { DynamicTable } from './dynamic-table.ts'
import { HeaderEntry } from './header-entry.ts'
import { STATIC_ENTRIES, STATIC_NAMES } from './static-table.ts'

/** Enough for all that repeats from message to message; a larger table of the peer's is not used in full. */
const TABLE_BYTES_MAX = 4_096
/** Longer values are rarely said twice. */
const KEPT_VALUE_BYTES_MAX = 256
const SEEN_SLOTS = 256
/** Secrets are not put into a table, where their reappearance would show in lengths (RFC 7541 §7.1.3). */
const SECRET = headerSet('authorization', 'proxy-authorization', 'cookie', 'set-cookie')
const FNV_START = 0x811c_9dc5
const FNV_PRIME = 0x0100_0193
const FIRST_DYNAMIC = STATIC_ENTRIES.length + 1
/** What a field may take beside its name and value. */
export const FIELD_EXTRA_BYTES_MAX = 12
/** What `begin` and `status` may take together. */
export const BLOCK_EXTRA_BYTES_MAX = 16

const STATUS_NAME = STATIC_NAMES.get(':status')!
const STATUS_INDEX = new Map(
  STATIC_ENTRIES.flatMap(({ line, nameEnd, valueStart, valueEnd }, i) =>
    nameEnd === 7 && line[1] === 115 && line[2] === 116
      ? [[Number(Buffer.from(line.subarray(valueStart, valueEnd)).toString('latin1')), i + 1] as const]
      : [],
  ),
)
const STATIC_BY_HASH = new Map(
  [...STATIC_NAMES].map(([name, index]) => {
    const bytes = Buffer.from(name, 'latin1')
    return [hashName(bytes, 0, bytes.length), index] as const
  }),
)

/**
 * Writes header blocks for one direction of one connection. What was seen twice goes into the table: what is different
 * in every message never does, without anybody having to know what that is.
 */
export class HpackEncoder {
  readonly #table = new DynamicTable(TABLE_BYTES_MAX)
  /** Entries by the hash of the whole field, as the number each was the n-th to come. */
  readonly #known = new Map<number, number>()
  /** There from the first field on: connections that say nothing are many. */
  #seen: Int32Array | undefined
  #added = 0
  #smallestBytes = TABLE_BYTES_MAX
  #mustResize = false

  /** The peer's table holds no more than that from now on. */
  limitTable(bytes: number): void {
    const bytesMax = Math.min(bytes, TABLE_BYTES_MAX)
    if (bytesMax === this.#table.bytesMax) return
    this.#smallestBytes = this.#mustResize ? Math.min(this.#smallestBytes, bytesMax) : bytesMax
    this.#table.resize(bytesMax)
    this.#mustResize = true
  }

  /** Begins a block at `out[at]`. Here as below: the caller has seen to the room; returns where to go on. */
  begin(out: Uint8Array, at: number): number {
    if (!this.#mustResize) return at
    this.#mustResize = false
    const { bytesMax } = this.#table
    let p = at
    if (this.#smallestBytes < bytesMax) p = writeInteger(this.#smallestBytes, 0x20, 0x1f, out, p)
    return writeInteger(bytesMax, 0x20, 0x1f, out, p)
  }

  status(status: number, out: Uint8Array, at: number): number {
    const index = STATUS_INDEX.get(status)
    if (index !== undefined) return writeInteger(index, 0x80, 0x7f, out, at)
    const p = writeInteger(STATUS_NAME, 0, 0x0f, out, at)
    out[p] = 3
    out[p + 1] = 48 + Math.floor(status / 100)
    out[p + 2] = 48 + (Math.floor(status / 10) % 10)
    out[p + 3] = 48 + (status % 10)
    return p + 4
  }

  /** A whole field of the static table, by its index. */
  indexed(index: number, out: Uint8Array, at: number): number {
    return writeInteger(index, 0x80, 0x7f, out, at)
  }

  /** `name[nameStart, nameEnd)`, in any case, with the value `b[valueStart, valueEnd)`; `id`: of the name, by `headerId`. */
  field(
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    b: Uint8Array,
    valueStart: number,
    valueEnd: number,
    id: number,
    out: Uint8Array,
    at: number,
  ): number {
    const nameHash = hashName(name, nameStart, nameEnd)
    let index = STATIC_BY_HASH.get(nameHash) ?? 0
    if (index > 0 && !hasName(STATIC_ENTRIES[index - 1]!, name, nameStart, nameEnd)) index = 0
    if (id > 0 && id < UNDERSCORED && ((SECRET >>> id) & 1) === 1) {
      return writeLiteral(index, 0x10, 0x0f, name, nameStart, nameEnd, b, valueStart, valueEnd, out, at)
    }
    if (valueEnd - valueStart > KEPT_VALUE_BYTES_MAX || id === HEADER['x-request-id']) {
      return writeLiteral(index, 0, 0x0f, name, nameStart, nameEnd, b, valueStart, valueEnd, out, at)
    }
    let hash = nameHash
    for (let p = valueStart; p < valueEnd; p++) hash = Math.imul(hash ^ b[p]!, FNV_PRIME)
    const number = this.#known.get(hash)
    if (number !== undefined) {
      const entry = this.#table.get(this.#added - number)
      if (entry !== undefined && isField(entry, name, nameStart, nameEnd, b, valueStart, valueEnd)) {
        return writeInteger(FIRST_DYNAMIC + this.#added - number, 0x80, 0x7f, out, at)
      }
    }
    const slot = hash & (SEEN_SLOTS - 1)
    this.#seen ??= new Int32Array(SEEN_SLOTS)
    if (this.#seen[slot] !== hash) {
      this.#seen[slot] = hash
      return writeLiteral(index, 0, 0x0f, name, nameStart, nameEnd, b, valueStart, valueEnd, out, at)
    }
    const end = writeLiteral(index, 0x40, 0x3f, name, nameStart, nameEnd, b, valueStart, valueEnd, out, at)
    this.#add(hash, name, nameStart, nameEnd, b, valueStart, valueEnd)
    return end
  }

  #add(
    hash: number,
    name: Uint8Array,
    nameStart: number,
    nameEnd: number,
    b: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const nameLength = nameEnd - nameStart
    const line = new Uint8Array(nameLength + valueEnd - valueStart + 4)
    copyLower(name, nameStart, nameEnd, line, 0)
    copyBytes(b, valueStart, valueEnd, line, nameLength + 2)
    if (!this.#table.add(new HeaderEntry(line, nameLength, 0, true))) return
    this.#added++
    this.#known.set(hash, this.#added)
    // Of entries that are gone, some time.
    if (this.#known.size > 4 * this.#table.count + 64) {
      for (const [old, number] of this.#known) {
        if (this.#added - number >= this.#table.count) this.#known.delete(old)
      }
    }
  }
}

function hashName(b: Uint8Array, start: number, end: number): number {
  let hash = FNV_START
  for (let p = start; p < end; p++) hash = Math.imul(hash ^ LOWER[b[p]!]!, FNV_PRIME)
  // So that a name and a value do not run into each other.
  return Math.imul(hash ^ 256, FNV_PRIME)
}

function hasName({ line, nameEnd }: HeaderEntry, b: Uint8Array, start: number, end: number): boolean {
  if (nameEnd !== end - start) return false
  for (let i = 0; i < nameEnd; i++) if (line[i] !== LOWER[b[start + i]!]) return false
  return true
}

function isField(
  entry: HeaderEntry,
  name: Uint8Array,
  nameStart: number,
  nameEnd: number,
  b: Uint8Array,
  valueStart: number,
  valueEnd: number,
): boolean {
  if (entry.valueEnd - entry.valueStart !== valueEnd - valueStart) return false
  if (!hasName(entry, name, nameStart, nameEnd)) return false
  const { line } = entry
  for (let p = valueStart, q = entry.valueStart; p < valueEnd; p++, q++) if (line[q] !== b[p]) return false
  return true
}

function writeLiteral(
  index: number,
  bits: number,
  mask: number,
  name: Uint8Array,
  nameStart: number,
  nameEnd: number,
  b: Uint8Array,
  valueStart: number,
  valueEnd: number,
  out: Uint8Array,
  at: number,
): number {
  let p = writeInteger(index, bits, mask, out, at)
  if (index === 0) {
    p = writeInteger(nameEnd - nameStart, 0, 0x7f, out, p)
    p = copyLower(name, nameStart, nameEnd, out, p)
  }
  p = writeInteger(valueEnd - valueStart, 0, 0x7f, out, p)
  return copyBytes(b, valueStart, valueEnd, out, p)
}

function writeInteger(value: number, bits: number, mask: number, out: Uint8Array, at: number): number {
  if (value < mask) {
    out[at] = bits | value
    return at + 1
  }
  let p = at
  out[p++] = bits | mask
  let rest = value - mask
  while (rest >= 128) {
    out[p++] = (rest & 0x7f) | 0x80
    rest = Math.floor(rest / 128)
  }
  out[p++] = rest
  return p
}

function copyLower(b: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  let q = at
  for (let p = start; p < end; p++) out[q++] = LOWER[b[p]!]!
  return q
}
