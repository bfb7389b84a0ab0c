import { CR, HEX, LF, LOWER, SPACE, TAB, TOKEN, VALUE } from './byte-classes.ts'
import { BY_LENGTH, CHUNKED, type Framing, NO_BODY, UNTIL_CLOSE } from './framing.ts'
import { headerId } from './header-ids.ts'
import { REFUSAL } from './refusal.ts'

const SEMICOLON = 59
const EQUALS = 61
const QUOTE = 34
const BACKSLASH = 92
const COLON = 58

/** Hexadecimal digits of a chunk's size: below 2^48, so that every sum is exact. */
const SIZE_DIGITS_MAX = 12
/** For one message, so that framing cannot cost more than what it frames. */
const EXTENSION_BYTES_MAX = 4_096
const TRAILER_BYTES_MAX = 8_192
/** Longer than every name that may not be a trailer. */
const NAME_BYTES_KEPT = 32

const SIZE_START = 0
const SIZE = 1
const EXT_NAME_START = 2
const EXT_NAME = 3
const EXT_VALUE_START = 4
const EXT_TOKEN = 5
const EXT_QUOTED = 6
const EXT_ESCAPED = 7
const EXT_QUOTED_END = 8
const SIZE_LF = 9
const DATA = 10
const DATA_CR = 11
const DATA_LF = 12
const LINE_START = 13
const TRAILER_NAME = 14
const TRAILER_VALUE = 15
const TRAILER_LF = 16
const END_LF = 17

/**
 * Follows one body to its end while its bytes pass through unchanged. Chunked bodies are validated byte by byte:
 * a size of plain digits, well-formed extensions of bounded length, CRLF everywhere, trailers that are headers but
 * none which says where messages end or go, or who sent them. One instance per connection and direction, reused.
 */
export class MessageBody {
  framing: Framing = NO_BODY
  isDone = true
  refusal = 0
  /** What `advance` last went over was content rather than framing; told apart only with `splits`. */
  isContent = false
  /** `advance` stops where content and framing meet, for a receiver that takes no chunks. */
  splits = false
  #left = 0
  #state = SIZE_START
  #digits = 0
  #extensionBytes = 0
  #trailerBytes = 0
  #nameBytes = 0
  #name: Uint8Array | undefined

  begin(framing: Framing, contentLength: number): void {
    this.framing = framing
    this.isDone = framing === NO_BODY
    this.refusal = 0
    this.isContent = false
    this.splits = false
    this.#left = contentLength
    this.#state = SIZE_START
    this.#digits = 0
    this.#extensionBytes = 0
    this.#trailerBytes = 0
    this.#nameBytes = 0
  }

  /** Content still to come by `Content-Length`; of a chunked body, in this chunk. */
  get leftBytes(): number {
    return this.#left
  }

  /** Goes over `b[at, end)` and returns how far the body reaches in it; -1 with `refusal` set. */
  advance(b: Uint8Array, at: number, end: number): number {
    if (this.framing === BY_LENGTH) {
      const count = Math.min(this.#left, end - at)
      this.#left -= count
      this.isContent = true
      if (this.#left === 0) this.isDone = true
      return at + count
    }
    if (this.framing === CHUNKED) return this.#advanceChunked(b, at, end)
    this.isContent = true
    return this.framing === UNTIL_CLOSE ? end : at
  }

  #advanceChunked(b: Uint8Array, at: number, end: number): number {
    let p = at
    this.isContent = this.#state === DATA
    while (p < end) {
      if (this.#state === DATA) {
        if (this.splits && !this.isContent) return p
        const count = Math.min(this.#left, end - p)
        p += count
        this.#left -= count
        if (this.#left > 0) return p
        this.#state = DATA_CR
        if (this.splits) return p
        continue
      }
      const refusal = this.#step(b[p]!)
      if (refusal !== 0) {
        this.refusal = refusal
        return -1
      }
      p++
      if (this.isDone) return p
    }
    return p
  }

  /** One byte of framing. Returns a refusal, or 0. */
  #step(byte: number): number {
    switch (this.#state) {
      case SIZE_START: {
        const digit = HEX[byte]!
        if (digit === 255) return REFUSAL['bad-chunk-size']
        this.#left = digit
        this.#digits = 1
        this.#state = SIZE
        return 0
      }
      case SIZE: {
        const digit = HEX[byte]!
        if (digit !== 255) {
          if (++this.#digits > SIZE_DIGITS_MAX) return REFUSAL['bad-chunk-size']
          this.#left = this.#left * 16 + digit
          return 0
        }
        return this.#extensionOrEnd(byte, REFUSAL['bad-chunk-size'])
      }
      case EXT_NAME_START:
      case EXT_NAME:
      case EXT_VALUE_START:
      case EXT_TOKEN:
      case EXT_QUOTED:
      case EXT_ESCAPED:
      case EXT_QUOTED_END:
        return this.#stepExtension(byte)
      case SIZE_LF:
        if (byte !== LF) return REFUSAL['bad-line-end']
        this.#state = this.#left === 0 ? LINE_START : DATA
        return 0
      case DATA_CR:
        if (byte !== CR) return REFUSAL['bad-chunk-end']
        this.#state = DATA_LF
        return 0
      case DATA_LF:
        if (byte !== LF) return REFUSAL['bad-chunk-end']
        this.#state = SIZE_START
        return 0
      default:
        return this.#stepTrailer(byte)
    }
  }

  #extensionOrEnd(byte: number, otherwise: number): number {
    if (byte === CR) this.#state = SIZE_LF
    else if (byte === SEMICOLON) this.#state = EXT_NAME_START
    else return byte === LF ? REFUSAL['bad-line-end'] : otherwise
    return 0
  }

  #stepExtension(byte: number): number {
    const bad = REFUSAL['bad-chunk-extension']
    if (++this.#extensionBytes > EXTENSION_BYTES_MAX) return bad
    switch (this.#state) {
      case EXT_NAME_START:
        if (TOKEN[byte] === 0) return bad
        this.#state = EXT_NAME
        return 0
      case EXT_NAME:
        if (TOKEN[byte] === 1) return 0
        if (byte !== EQUALS) return this.#extensionOrEnd(byte, bad)
        this.#state = EXT_VALUE_START
        return 0
      case EXT_VALUE_START:
        if (byte === QUOTE) this.#state = EXT_QUOTED
        else if (TOKEN[byte] === 1) this.#state = EXT_TOKEN
        else return bad
        return 0
      case EXT_TOKEN:
        return TOKEN[byte] === 1 ? 0 : this.#extensionOrEnd(byte, bad)
      case EXT_QUOTED:
        if (byte === QUOTE) this.#state = EXT_QUOTED_END
        else if (byte === BACKSLASH) this.#state = EXT_ESCAPED
        else if (VALUE[byte] === 0) return bad
        return 0
      case EXT_ESCAPED:
        if (VALUE[byte] === 0) return bad
        this.#state = EXT_QUOTED
        return 0
      default:
        return this.#extensionOrEnd(byte, bad)
    }
  }

  #stepTrailer(byte: number): number {
    if (++this.#trailerBytes > TRAILER_BYTES_MAX) return REFUSAL['trailers-too-large']
    switch (this.#state) {
      case LINE_START:
        if (byte === CR) {
          this.#state = END_LF
          return 0
        }
        if (TOKEN[byte] === 0) {
          if (byte === LF) return REFUSAL['bad-line-end']
          return byte === SPACE || byte === TAB ? REFUSAL['obs-fold'] : REFUSAL['bad-trailer']
        }
        this.#nameBytes = 0
        this.#keepNameByte(byte)
        this.#state = TRAILER_NAME
        return 0
      case TRAILER_NAME:
        if (TOKEN[byte] === 1) {
          this.#keepNameByte(byte)
          return 0
        }
        if (byte !== COLON) return REFUSAL['bad-trailer']
        if (this.#nameBytes <= NAME_BYTES_KEPT && headerId(this.#name!, 0, this.#nameBytes) !== 0) {
          return REFUSAL['forbidden-trailer']
        }
        this.#state = TRAILER_VALUE
        return 0
      case TRAILER_VALUE:
        if (VALUE[byte] === 1) return 0
        if (byte !== CR) return byte === LF ? REFUSAL['bad-line-end'] : REFUSAL['bad-trailer']
        this.#state = TRAILER_LF
        return 0
      case TRAILER_LF:
        if (byte !== LF) return REFUSAL['bad-line-end']
        this.#state = LINE_START
        return 0
      default:
        if (byte !== LF) return REFUSAL['bad-line-end']
        this.isDone = true
        return 0
    }
  }

  #keepNameByte(byte: number): void {
    this.#name ??= new Uint8Array(NAME_BYTES_KEPT)
    if (this.#nameBytes < NAME_BYTES_KEPT) this.#name[this.#nameBytes] = LOWER[byte]!
    this.#nameBytes++
  }
}
