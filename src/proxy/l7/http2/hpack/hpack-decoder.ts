import { copyBytes } from '../../http1/copy-bytes.ts'
import type { FieldBlock } from '../field-block.ts'
import { classifyName, isValue } from '../field-rules.ts'
import { DynamicTable } from './dynamic-table.ts'
import { HeaderEntry } from './header-entry.ts'
import { decodeHuffman } from './huffman.ts'
import { STATIC_ENTRIES } from './static-table.ts'

const COLON = 58
const SPACE = 32
/** Indices and lengths; nothing larger is of use, and every sum stays exact. */
const INTEGER_MAX = 0xff_ffff
const FAILED = -1

/**
 * Header blocks of one direction of one connection (RFC 7541). What a block says lands as header lines in a
 * `FieldBlock`; also where that takes no more, the whole block is read, since the next one builds on its table.
 */
export class HpackDecoder {
  readonly #table: DynamicTable
  readonly #tableBytesMax: number
  #at = 0

  /** `tableBytesMax`: as announced by SETTINGS_HEADER_TABLE_SIZE. */
  constructor(tableBytesMax: number) {
    this.#table = new DynamicTable(tableBytesMax)
    this.#tableBytesMax = tableBytesMax
  }

  /** Decodes `b[start, end)`, a whole block. False: it cannot be, and the connection's tables have come apart. */
  decode(b: Uint8Array, start: number, end: number, block: FieldBlock): boolean {
    block.reset()
    this.#at = start
    let mayResize = true
    while (this.#at < end) {
      const byte = b[this.#at]!
      if ((byte & 0x80) !== 0) {
        const entry = this.#entry(this.#integer(b, end, 0x7f))
        if (entry === undefined) return false
        block.addEntry(entry)
      } else if ((byte & 0xe0) === 0x20) {
        const bytes = this.#integer(b, end, 0x1f)
        if (!mayResize || bytes === FAILED || bytes > this.#tableBytesMax) return false
        this.#table.resize(bytes)
        continue
      } else {
        const isKept = (byte & 0x40) !== 0
        if (!this.#literal(b, end, this.#integer(b, end, isKept ? 0x3f : 0x0f), isKept, block)) return false
      }
      mayResize = false
    }
    return true
  }

  #entry(index: number): HeaderEntry | undefined {
    if (index <= 0) return undefined
    return index <= STATIC_ENTRIES.length
      ? STATIC_ENTRIES[index - 1]
      : this.#table.get(index - STATIC_ENTRIES.length - 1)
  }

  #literal(b: Uint8Array, end: number, index: number, isKept: boolean, block: FieldBlock): boolean {
    const out = block.bytes
    const start = block.end
    let nameEnd: number
    let nameClass: number
    if (index === 0) {
      nameEnd = this.#string(b, end, out, start)
      if (nameEnd === FAILED) return false
      nameClass = classifyName(out, start, nameEnd)
    } else {
      const entry = this.#entry(index)
      if (entry === undefined) return false
      nameEnd = copyBytes(entry.line, 0, entry.nameEnd, out, start)
      nameClass = entry.nameClass
    }
    out[nameEnd] = COLON
    out[nameEnd + 1] = SPACE
    const valueStart = nameEnd + 2
    const valueEnd = this.#string(b, end, out, valueStart)
    if (valueEnd === FAILED) return false
    out[valueEnd] = 13
    out[valueEnd + 1] = 10
    const stop = valueEnd + 2
    const isGood = isValue(out, valueStart, valueEnd)
    if (isKept) this.#table.add(new HeaderEntry(out.slice(start, stop), nameEnd - start, nameClass, isGood))
    if (!block.isTooLarge) block.add(start, nameEnd, stop, nameClass, isGood)
    return true
  }

  /** Reads an integer whose first byte's lower bits are `mask`; `FAILED` for none. RFC 7541 §5.1. */
  #integer(b: Uint8Array, end: number, mask: number): number {
    if (this.#at >= end) return FAILED
    let value = b[this.#at++]! & mask
    if (value < mask) return value
    for (let factor = 1; ; factor *= 128) {
      if (this.#at >= end || factor > INTEGER_MAX) return FAILED
      const byte = b[this.#at++]!
      value += (byte & 0x7f) * factor
      if (value > INTEGER_MAX) return FAILED
      if ((byte & 0x80) === 0) return value
    }
  }

  /** Reads a string to `out` at `to`; returns where it ends there. */
  #string(b: Uint8Array, end: number, out: Uint8Array, to: number): number {
    if (this.#at >= end) return FAILED
    const isHuffman = (b[this.#at]! & 0x80) !== 0
    const length = this.#integer(b, end, 0x7f)
    const start = this.#at
    if (length === FAILED || start + length > end) return FAILED
    this.#at = start + length
    return isHuffman ? decodeHuffman(b, start, this.#at, out, to) : copyBytes(b, start, this.#at, out, to)
  }
}
