import { copyBytes } from '../../http1/copy-bytes.ts'
import { bytesOf } from '../../http1/field-values.ts'
import { classifyName, isValue } from '../field-rules.ts'

/** What an entry takes beside its bytes, by agreement (RFC 7541 §4.1). */
export const ENTRY_OVERHEAD_BYTES = 32
const SEPARATOR_BYTES = 2

/** A field of a table, as the line it becomes: `name: value` and CRLF. What it is was found out once, when it came. */
export class HeaderEntry {
  readonly line: Uint8Array
  readonly nameEnd: number
  readonly valueStart: number
  readonly valueEnd: number
  /** See `classifyName`. */
  readonly nameClass: number
  readonly isGoodValue: boolean

  /** `line` is kept as it is. */
  constructor(line: Uint8Array, nameEnd: number, nameClass: number, isGoodValue: boolean) {
    this.line = line
    this.nameEnd = nameEnd
    this.valueStart = nameEnd + SEPARATOR_BYTES
    this.valueEnd = line.length - SEPARATOR_BYTES
    this.nameClass = nameClass
    this.isGoodValue = isGoodValue
  }

  static of(name: string, value: string): HeaderEntry {
    const line = bytesOf(`${name}: ${value}\r\n`)
    const nameEnd = name.length
    const isGood = isValue(line, nameEnd + SEPARATOR_BYTES, line.length - SEPARATOR_BYTES)
    return new HeaderEntry(line, nameEnd, classifyName(line, 0, nameEnd), isGood)
  }

  /** As tables count it. */
  get size(): number {
    return this.nameEnd + (this.valueEnd - this.valueStart) + ENTRY_OVERHEAD_BYTES
  }

  /** Writes the line to `out` at `at`; returns where it ends. */
  write(out: Uint8Array, at: number): number {
    return copyBytes(this.line, 0, this.line.length, out, at)
  }
}
