import { CR, LF, SPACE, VALUE } from './byte-classes.ts'
import { ConnectionOptions } from './connection-options.ts'
import { FieldLines } from './field-lines.ts'
import { bytesOf, contentLength, equalsWord } from './field-values.ts'
import { BY_LENGTH, CHUNKED, type Framing, NO_BODY, UNTIL_CLOSE } from './framing.ts'
import type { HeadLimits } from './head-limits.ts'
import { HEADER, headerSet, UNDERSCORED } from './header-ids.ts'
import { REFUSAL } from './refusal.ts'

const HTTP_1 = bytesOf('HTTP/1.')
const CHUNKED_WORD = bytesOf('chunked')
const READ = headerSet('content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade')
const NEVER_UNDERSCORED = headerSet('content-length', 'transfer-encoding', 'connection')

/** A response's status line and headers as offsets, read as strictly as a request's; see `RequestHead`. */
export class ResponseHead {
  readonly lines: FieldLines
  readonly connection = new ConnectionOptions()
  refusal = 0
  start = 0
  /** After the empty line. */
  end = 0
  minor = 1
  status = 0
  /** The status code and the phrase after it. */
  statusStart = 0
  statusEnd = 0
  framing: Framing = NO_BODY
  contentLength = 0
  /** The server will go on with this connection. */
  keepsAlive = true
  /** Line of `Keep-Alive`, -1: none. */
  keepAliveLine = -1
  /** Line of `Upgrade`, -1: none. */
  upgradeLine = -1
  present = 0
  readonly #headBytesMax: number

  constructor(limits: HeadLimits) {
    this.#headBytesMax = limits.headBytesMax
    this.lines = new FieldLines(limits.headersMax)
  }

  /**
   * `toHead`: the request was HEAD. Returns where the head ends, 0 when `b[start, end)` holds less than a head, -1 with
   * `refusal` set.
   */
  scan(b: Uint8Array, start: number, end: number, toHead: boolean): number {
    this.refusal = 0
    const limit = start + this.#headBytesMax
    const stop = Math.min(end, limit)
    const at = this.#scanAll(b, start, stop, toHead)
    if (at !== 0) return at
    return stop === limit ? this.#refuse(REFUSAL['head-too-large']) : 0
  }

  #scanAll(b: Uint8Array, start: number, end: number, toHead: boolean): number {
    this.start = start
    let p = this.#scanStatusLine(b, start, end)
    if (p <= 0) return p
    p = this.lines.scan(b, p, end)
    if (p === -1) return this.#refuse(this.lines.refusal)
    if (p === 0) return 0
    this.end = p
    const refusal = this.#interpret(b, toHead)
    return refusal === 0 ? p : this.#refuse(refusal)
  }

  #scanStatusLine(b: Uint8Array, at: number, end: number): number {
    let p = at
    for (let i = 0; i < HTTP_1.length; i++, p++) {
      if (p >= end) return 0
      if (b[p] !== HTTP_1[i]) return this.#refuse(REFUSAL['bad-status-line'])
    }
    if (p >= end) return 0
    const minor = b[p++]! - 48
    if (minor !== 0 && minor !== 1) return this.#refuse(REFUSAL['bad-status-line'])
    this.minor = minor
    if (p >= end) return 0
    if (b[p++] !== SPACE) return this.#refuse(REFUSAL['bad-status-line'])
    this.statusStart = p
    let status = 0
    for (let i = 0; i < 3; i++, p++) {
      if (p >= end) return 0
      const digit = b[p]! - 48
      if (digit < 0 || digit > 9) return this.#refuse(REFUSAL['bad-status-line'])
      status = status * 10 + digit
    }
    if (status < 100 || status > 599) return this.#refuse(REFUSAL['bad-status'])
    this.status = status
    if (p >= end) return 0
    if (b[p] !== SPACE && b[p] !== CR) return this.#refuse(REFUSAL['bad-status-line'])
    while (p < end && VALUE[b[p]!] === 1) p++
    if (p >= end) return 0
    if (b[p] !== CR) return this.#refuse(REFUSAL['bad-line-end'])
    this.statusEnd = p
    if (++p >= end) return 0
    return b[p] === LF ? p + 1 : this.#refuse(REFUSAL['bad-line-end'])
  }

  #interpret(b: Uint8Array, toHead: boolean): number {
    const { lines, connection } = this
    const { ids, valueStart, valueEnd } = lines
    connection.reset()
    let present = 0
    let lengthLine = -1
    let encodingLine = -1
    this.keepAliveLine = -1
    this.upgradeLine = -1
    for (let i = 0; i < lines.count; i++) {
      const id = ids[i]!
      if (id === 0) continue
      if (id >= UNDERSCORED) {
        if (((NEVER_UNDERSCORED >>> (id - UNDERSCORED)) & 1) === 1) return REFUSAL['ambiguous-header-name']
        present |= 1 << (id - UNDERSCORED)
        continue
      }
      const bit = 1 << id
      const isRepeated = (present & bit) !== 0
      present |= bit
      if ((bit & READ) === 0) continue
      if (id === HEADER.connection) {
        const refusal = connection.add(b, valueStart[i]!, valueEnd[i]!)
        if (refusal !== 0) return refusal
      } else if (id === HEADER['content-length']) {
        if (isRepeated) return REFUSAL['duplicate-content-length']
        lengthLine = i
      } else if (id === HEADER['transfer-encoding']) {
        if (isRepeated) return REFUSAL['bad-transfer-encoding']
        encodingLine = i
      } else if (id === HEADER['keep-alive']) this.keepAliveLine = i
      else this.upgradeLine = isRepeated ? -1 : i
    }
    this.present = present
    this.keepsAlive = !connection.close && (this.minor === 1 || connection.keepAlive)
    return this.#readFraming(b, lengthLine, encodingLine, toHead)
  }

  /** RFC 9112 §6.3, and a refusal wherever it lets a recipient choose. */
  #readFraming(b: Uint8Array, lengthLine: number, encodingLine: number, toHead: boolean): number {
    const { valueStart, valueEnd } = this.lines
    const { status } = this
    this.framing = NO_BODY
    this.contentLength = 0
    if (encodingLine !== -1) {
      if (lengthLine !== -1) return REFUSAL['length-and-encoding']
      if (this.minor === 0) return REFUSAL['encoding-in-http10']
      if (!equalsWord(b, valueStart[encodingLine]!, valueEnd[encodingLine]!, CHUNKED_WORD)) {
        return REFUSAL['bad-transfer-encoding']
      }
      if (status < 200 || status === 204) return REFUSAL['unexpected-body']
      if (!toHead && status !== 304) this.framing = CHUNKED
      return 0
    }
    if (lengthLine !== -1) {
      const length = contentLength(b, valueStart[lengthLine]!, valueEnd[lengthLine]!)
      if (length === -1) return REFUSAL['bad-content-length']
      if (length > 0 && (status < 200 || status === 204)) return REFUSAL['unexpected-body']
      if (toHead || status === 304 || length === 0) return 0
      this.contentLength = length
      this.framing = BY_LENGTH
      return 0
    }
    if (!toHead && status >= 200 && status !== 204 && status !== 304) {
      this.framing = UNTIL_CLOSE
      this.keepsAlive = false
    }
    return 0
  }

  #refuse(refusal: number): number {
    this.refusal = refusal
    return -1
  }
}
