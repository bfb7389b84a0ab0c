import { copyBytes } from '../http1/copy-bytes.ts'
import { equalsWord } from '../http1/field-values.ts'
import { REFUSAL } from '../http1/refusal.ts'
import {
  BAD_NAME,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  COOKIE,
  HOST,
  isConnectionField,
  REGULAR,
  STATUS,
  TE,
} from './field-rules.ts'
import { ENTRY_OVERHEAD_BYTES, type HeaderEntry } from './hpack/header-entry.ts'

const TRAILERS = new Uint8Array(Buffer.from('trailers', 'latin1'))
const COOKIES_MAX = 128
/** A field that goes beyond the limit is still decoded, for what it does to the table: from a block of `listBytesMax`, at most. */
const FIELD_FACTOR = 2
const FIELD_EXTRA_BYTES = 8 * 1024

/**
 * The fields of one header block, as header lines in `bytes[linesStart, end)`, with pseudo-fields before them. One
 * instance serves all connections of an engine: a block is decoded, read and passed on in one go.
 */
export class FieldBlock {
  readonly bytes: Uint8Array
  /** The first field that may not be there, as a refusal; 0: none. */
  refusal = 0
  /** Together they are more than is taken. */
  isTooLarge = false
  linesStart = 0
  end = 0
  count = 0
  /** Positions of `:method` and so on, by their class; -1: not there. */
  readonly pseudoStart = new Int32Array(STATUS + 1)
  readonly pseudoEnd = new Int32Array(STATUS + 1)
  /** The last one's value; -1: there is none. */
  hostStart = -1
  hostEnd = -1
  contentLengthStart = -1
  contentLengthEnd = -1
  contentTypeStart = -1
  contentTypeEnd = -1
  /** Any is one of those that the proxy knows (`http1/header-ids.ts`), in whatever way it is written. */
  hasKnown = false
  cookies = 0
  /** Lines of cookies: where each starts, where its value does, and where it ends. */
  readonly cookieAt = new Int32Array(COOKIES_MAX * 3)
  readonly #listBytesMax: number
  readonly #fieldsMax: number
  #listBytes = 0

  /** `listBytesMax`: of names and values with 32 bytes each, as SETTINGS_MAX_HEADER_LIST_SIZE counts. */
  constructor(listBytesMax: number, fieldsMax: number) {
    this.#listBytesMax = listBytesMax
    this.#fieldsMax = fieldsMax
    this.bytes = new Uint8Array(listBytesMax * (1 + FIELD_FACTOR) + FIELD_EXTRA_BYTES)
  }

  reset(): void {
    this.refusal = 0
    this.isTooLarge = false
    this.linesStart = 0
    this.end = 0
    this.count = 0
    this.pseudoStart.fill(-1)
    this.hostStart = -1
    this.contentLengthStart = -1
    this.contentTypeStart = -1
    this.hasKnown = false
    this.cookies = 0
    this.#listBytes = 0
  }

  addEntry(entry: HeaderEntry): void {
    if (this.isTooLarge) return
    const start = this.end
    const end = entry.write(this.bytes, start)
    this.add(start, start + entry.nameEnd, end, entry.nameClass, entry.isGoodValue)
  }

  /** The line that was written to `bytes[start, end)`, at `this.end`, with its `: ` and CRLF. */
  add(start: number, nameEnd: number, end: number, nameClass: number, isGoodValue: boolean): void {
    const valueStart = nameEnd + 2
    const valueEnd = end - 2
    this.#listBytes += nameEnd - start + (valueEnd - valueStart) + ENTRY_OVERHEAD_BYTES
    if (this.#listBytes > this.#listBytesMax || ++this.count > this.#fieldsMax) {
      this.isTooLarge = true
      return
    }
    this.end = end
    if (this.refusal === 0) this.refusal = this.#look(start, nameClass, isGoodValue, valueStart, valueEnd)
    if (nameClass < REGULAR) this.linesStart = end
  }

  #look(start: number, nameClass: number, isGoodValue: boolean, valueStart: number, valueEnd: number): number {
    if (nameClass === BAD_NAME) return REFUSAL['bad-header-name']
    if (!isGoodValue) return REFUSAL['bad-header-value']
    if (nameClass < REGULAR) {
      if (start !== this.linesStart || this.pseudoStart[nameClass] !== -1) return REFUSAL['bad-pseudo-header']
      this.pseudoStart[nameClass] = valueStart
      this.pseudoEnd[nameClass] = valueEnd
      return 0
    }
    if (nameClass === REGULAR) return 0
    this.hasKnown = true
    if (isConnectionField(nameClass)) return REFUSAL['connection-header']
    if (nameClass === TE) {
      return equalsWord(this.bytes, valueStart, valueEnd, TRAILERS) ? 0 : REFUSAL['connection-header']
    }
    if (nameClass === COOKIE) {
      if (this.cookies === COOKIES_MAX) return REFUSAL['too-many-headers']
      const at = this.cookies++ * 3
      this.cookieAt[at] = start
      this.cookieAt[at + 1] = valueStart
      this.cookieAt[at + 2] = valueEnd
    } else if (nameClass === HOST) {
      this.hostStart = valueStart
      this.hostEnd = valueEnd
    } else if (nameClass === CONTENT_LENGTH) {
      this.contentLengthStart = valueStart
      this.contentLengthEnd = valueEnd
    } else if (nameClass === CONTENT_TYPE) {
      this.contentTypeStart = valueStart
      this.contentTypeEnd = valueEnd
    }
    return 0
  }

  has(pseudo: number): boolean {
    return this.pseudoStart[pseudo] !== -1
  }

  /** Copies the value of a pseudo-field that is there. */
  copyPseudo(pseudo: number, out: Uint8Array, at: number): number {
    return copyBytes(this.bytes, this.pseudoStart[pseudo]!, this.pseudoEnd[pseudo]!, out, at)
  }

  /** Copies the lines; cookies that came in pieces become one, as HTTP/1.1 knows them (RFC 9113 §8.2.3). */
  copyLines(out: Uint8Array, at: number): number {
    if (this.cookies < 2) return copyBytes(this.bytes, this.linesStart, this.end, out, at)
    const { bytes, cookieAt } = this
    let p = at
    let from = this.linesStart
    for (let i = 0; i < this.cookies; i++) {
      p = copyBytes(bytes, from, cookieAt[i * 3]!, out, p)
      from = cookieAt[i * 3 + 2]! + 2
    }
    p = copyBytes(bytes, from, this.end, out, p)
    p = copyBytes(bytes, cookieAt[0]!, cookieAt[1]!, out, p)
    for (let i = 0; i < this.cookies; i++) {
      if (i > 0) {
        out[p++] = 59
        out[p++] = 32
      }
      p = copyBytes(bytes, cookieAt[i * 3 + 1]!, cookieAt[i * 3 + 2]!, out, p)
    }
    out[p++] = 13
    out[p++] = 10
    return p
  }
}
