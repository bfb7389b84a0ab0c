import { COLON, CR, LF, SPACE, TAB, TOKEN, VALUE } from './byte-classes.ts'
import { headerId } from './header-ids.ts'
import { REFUSAL } from './refusal.ts'

/**
 * Header lines of one message as offsets into the buffer that they were scanned from; one instance serves all
 * connections of a process, since a head is scanned and passed on in one go. Lines stand one after another: line `i`
 * reaches from `nameStart[i]` to `nameStart[i + 1]`, the last one to `end`.
 */
export class FieldLines {
  count = 0
  /** After the last line, before the empty one. */
  end = 0
  refusal = 0
  readonly #max: number
  readonly ids: Uint8Array
  readonly nameStart: Int32Array
  readonly nameEnd: Int32Array
  /** Without the white space around it. */
  readonly valueStart: Int32Array
  readonly valueEnd: Int32Array

  constructor(headersMax: number) {
    this.#max = headersMax
    this.ids = new Uint8Array(headersMax + 1)
    this.nameStart = new Int32Array(headersMax + 1)
    this.nameEnd = new Int32Array(headersMax + 1)
    this.valueStart = new Int32Array(headersMax + 1)
    this.valueEnd = new Int32Array(headersMax + 1)
  }

  /**
   * Reads lines from `at` up to and with the empty line. Returns where the message goes on, 0 when `b[at, end)` ends
   * too early, -1 with `refusal` set. Every line ends in CRLF; no folding, no space before the colon, no control bytes.
   */
  scan(b: Uint8Array, at: number, end: number): number {
    let p = at
    let count = 0
    for (;;) {
      if (p >= end) return 0
      let byte = b[p]!
      if (byte === CR) {
        if (p + 1 >= end) return 0
        if (b[p + 1] !== LF) return this.#refuse(REFUSAL['bad-line-end'])
        this.count = count
        this.end = p
        this.nameStart[count] = p
        return p + 2
      }
      if (TOKEN[byte] === 0) {
        if (byte === LF) return this.#refuse(REFUSAL['bad-line-end'])
        const isFold = (byte === SPACE || byte === TAB) && count > 0
        return this.#refuse(isFold ? REFUSAL['obs-fold'] : REFUSAL['bad-header-name'])
      }
      if (count === this.#max) return this.#refuse(REFUSAL['too-many-headers'])
      const nameStart = p
      do {
        if (++p >= end) return 0
        byte = b[p]!
      } while (TOKEN[byte] === 1)
      if (byte !== COLON) {
        return this.#refuse(byte === LF || byte === CR ? REFUSAL['bad-line-end'] : REFUSAL['bad-header-name'])
      }
      const nameEnd = p
      do {
        if (++p >= end) return 0
        byte = b[p]!
      } while (byte === SPACE || byte === TAB)
      const valueStart = p
      while (VALUE[byte] === 1) {
        if (++p >= end) return 0
        byte = b[p]!
      }
      if (byte !== CR) {
        return this.#refuse(byte === LF ? REFUSAL['bad-line-end'] : REFUSAL['bad-header-value'])
      }
      let valueEnd = p
      if (++p >= end) return 0
      if (b[p] !== LF) return this.#refuse(REFUSAL['bad-line-end'])
      p++
      while (valueEnd > valueStart && (b[valueEnd - 1] === SPACE || b[valueEnd - 1] === TAB)) valueEnd--
      this.ids[count] = headerId(b, nameStart, nameEnd)
      this.nameStart[count] = nameStart
      this.nameEnd[count] = nameEnd
      this.valueStart[count] = valueStart
      this.valueEnd[count] = valueEnd
      count++
    }
  }

  #refuse(refusal: number): number {
    this.refusal = refusal
    return -1
  }
}
