const CR = 13
const LF = 10

/** Where a chunked body is: within a size line, its data, the line end after data, or the lines that end it. */
type ChunkState = 'size' | 'data' | 'data end' | 'trailer'

/** Longest size line that is followed; extensions are rare. */
const LINE_BYTES_MAX = 256

/** Follows the body of one message to its end (RFC 9112 §6 and §7.1), however it is cut into pieces. */
export class HttpBody {
  /** Content to come: of the whole body, or of the current chunk. */
  #left: number
  readonly #isChunked: boolean
  #state: ChunkState = 'size'
  #line = ''
  #isDone: boolean

  /** `contentLength` in bytes; `chunked` for a body in chunks. */
  constructor(contentLength: number | 'chunked') {
    this.#isChunked = contentLength === 'chunked'
    this.#left = contentLength === 'chunked' ? 0 : contentLength
    this.#isDone = contentLength === 0
  }

  get isDone(): boolean {
    return this.#isDone
  }

  /** Goes over the bytes from `start` on. False: they are not how this body can go on, or reach beyond its end. */
  follow(bytes: Uint8Array, start: number): boolean {
    let at = start
    while (at < bytes.length) {
      if (this.#isDone) return false
      if (!this.#isChunked || this.#state === 'data') {
        const count = Math.min(this.#left, bytes.length - at)
        this.#left -= count
        at += count
        if (this.#left > 0) continue
        if (this.#isChunked) this.#state = 'data end'
        else this.#isDone = true
      } else {
        const end = bytes.indexOf(LF, at)
        const stop = end < 0 ? bytes.length : end + 1
        if (this.#line.length + stop - at > LINE_BYTES_MAX) return false
        this.#line += String.fromCharCode(...bytes.subarray(at, stop))
        at = stop
        if (end >= 0 && !this.#lineEnded()) return false
      }
    }
    return true
  }

  #lineEnded(): boolean {
    const line = this.#line
    this.#line = ''
    if (line.charCodeAt(line.length - 2) !== CR) return false
    const text = line.slice(0, -2)
    switch (this.#state) {
      case 'size': {
        const digits = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i.exec(text)?.[1]
        if (digits === undefined) return false
        this.#left = Number.parseInt(digits, 16)
        this.#state = this.#left === 0 ? 'trailer' : 'data'
        return true
      }
      case 'data end':
        this.#state = 'size'
        return text === ''
      default:
        this.#isDone = text === ''
        return true
    }
  }
}
