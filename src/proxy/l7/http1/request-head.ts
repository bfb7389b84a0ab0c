import { CR, HOST, LF, SPACE, TARGET, TOKEN } from './byte-classes.ts'
import { ConnectionOptions } from './connection-options.ts'
import { FieldLines } from './field-lines.ts'
import { bytesOf, contentLength, equalsWord, itemEnd, itemStart, trimmedEnd } from './field-values.ts'
import { BY_LENGTH, CHUNKED, type Framing, NO_BODY } from './framing.ts'
import type { HeadLimits } from './head-limits.ts'
import { HEADER, headerSet, UNDERSCORED } from './header-ids.ts'
import { REFUSAL } from './refusal.ts'

export const OTHER_METHOD = 0
export const GET = 1
export const HEAD = 2
export const POST = 3
export const PUT = 4
export const OPTIONS = 6
export const PATCH = 7
export const TRACE = 8
export const CONNECT = 9
export type Method = number

const METHOD_NAMES = ['', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'CONNECT']
const METHODS = METHOD_NAMES.map(bytesOf)
const METHOD_BYTES_MAX = 32
const HTTP_1 = bytesOf('HTTP/1.')
const HTTP = bytesOf('HTTP/')
const SCHEME = bytesOf('http://')
const CHUNKED_WORD = bytesOf('chunked')
const CONTINUE_WORD = bytesOf('100-continue')
const WEBSOCKET = bytesOf('websocket')
/** Upgrades of the connection itself, which ends at this proxy. Some clients offer them with every request. */
const OF_THE_CONNECTION = ['h2c', 'tls/', 'http/'].map(bytesOf)
const SLASH = 47
const ASTERISK = 42
const QUESTION = 63

/** With `_` for `-` these would be taken for the real ones by backends that hand headers on as variables. */
const NEVER_UNDERSCORED = headerSet('host', 'content-length', 'transfer-encoding', 'connection', 'expect', 'upgrade')
const READ = headerSet('host', 'content-length', 'transfer-encoding', 'connection', 'expect', 'upgrade', 'via')

/**
 * A request's start line and headers, as offsets into the buffer it was scanned from. One instance serves a whole
 * process: a head is scanned, decided on and rewritten in one go. The reading is strict: whatever two readers could
 * take for two different things is refused.
 */
export class RequestHead {
  readonly lines: FieldLines
  readonly connection = new ConnectionOptions()
  refusal = 0
  start = 0
  /** After the empty line. */
  end = 0
  method: Method = OTHER_METHOD
  methodEnd = 0
  /** In origin form (or `*`); empty only where the target was `http://host` without a path. */
  targetStart = 0
  targetEnd = 0
  /** From the target where it was absolute, else from `Host`; empty where there is none. */
  hostStart = 0
  hostEnd = 0
  isAbsolute = false
  /** 0 or 1: HTTP/1.minor. */
  minor = 1
  framing: Framing = NO_BODY
  contentLength = 0
  /** The client wishes to go on with this connection. */
  keepsAlive = true
  expectsContinue = false
  /** A WebSocket or another protocol that was asked for properly; never h2c. */
  wantsUpgrade = false
  upgradeStart = 0
  upgradeEnd = 0
  /** Ids of the known headers present, as bits; those written with `_` count too. */
  present = 0
  /** Any header was written with `_` in place of `-`. */
  hasUnderscored = false
  readonly #limits: HeadLimits

  constructor(limits: HeadLimits) {
    this.#limits = limits
    this.lines = new FieldLines(limits.headersMax)
  }

  /** Returns where the head ends, 0 when `b[start, end)` holds less than a head, -1 with `refusal` set. */
  scan(b: Uint8Array, start: number, end: number): number {
    this.refusal = 0
    const limit = start + this.#limits.headBytesMax
    const stop = Math.min(end, limit)
    const at = this.#scanAll(b, start, stop)
    if (at !== 0) return at
    return stop === limit ? this.#refuse(REFUSAL['head-too-large']) : 0
  }

  #scanAll(b: Uint8Array, start: number, end: number): number {
    let p = start
    // One empty line before a request is forgiven (RFC 9112 §2.2).
    if (p < end && b[p] === CR) {
      if (p + 1 >= end) return 0
      if (b[p + 1] !== LF) return this.#refuse(REFUSAL['bad-line-end'])
      p += 2
    }
    this.start = p
    p = this.#scanStartLine(b, p, end)
    if (p <= 0) return p
    p = this.lines.scan(b, p, end)
    if (p === -1) return this.#refuse(this.lines.refusal)
    if (p === 0) return 0
    this.end = p
    const refusal = this.#interpret(b)
    return refusal === 0 ? p : this.#refuse(refusal)
  }

  #scanStartLine(b: Uint8Array, at: number, end: number): number {
    let p = at
    while (p < end && TOKEN[b[p]!] === 1) p++
    if (p - at > METHOD_BYTES_MAX) return this.#refuse(REFUSAL['bad-request-line'])
    if (p >= end) return 0
    if (b[p] !== SPACE || p === at) return this.#refuse(REFUSAL['bad-request-line'])
    this.methodEnd = p
    this.method = methodOf(b, at, p)
    const targetStart = ++p
    while (p < end && TARGET[b[p]!] === 1) p++
    if (p - targetStart > this.#limits.targetBytesMax) return this.#refuse(REFUSAL['target-too-long'])
    if (p >= end) return 0
    if (b[p] !== SPACE) return this.#refuse(p === targetStart ? REFUSAL['bad-request-line'] : REFUSAL['bad-target'])
    const targetEnd = p++
    // `HTTP/1.x` CR LF, as far as it is there.
    for (let i = 0; i < HTTP_1.length; i++, p++) {
      if (p >= end) return 0
      if (b[p] !== HTTP_1[i]) {
        return this.#refuse(i < HTTP.length ? REFUSAL['bad-request-line'] : REFUSAL['unsupported-version'])
      }
    }
    if (p >= end) return 0
    const minor = b[p]! - 48
    if (minor !== 1 && minor !== 0) {
      return this.#refuse(minor >= 0 && minor <= 9 ? REFUSAL['unsupported-version'] : REFUSAL['bad-request-line'])
    }
    this.minor = minor
    if (++p >= end) return 0
    if (b[p] !== CR) return this.#refuse(b[p] === LF ? REFUSAL['bad-line-end'] : REFUSAL['bad-request-line'])
    if (++p >= end) return 0
    if (b[p] !== LF) return this.#refuse(REFUSAL['bad-line-end'])
    const refusal = this.#readTarget(b, targetStart, targetEnd)
    return refusal === 0 ? p + 1 : this.#refuse(refusal)
  }

  #readTarget(b: Uint8Array, start: number, end: number): number {
    this.isAbsolute = false
    this.targetStart = start
    this.targetEnd = end
    if (this.method === CONNECT || this.method === TRACE) return REFUSAL['method-not-allowed']
    if (b[start] === SLASH) return 0
    if (end - start === 1 && b[start] === ASTERISK) return this.method === OPTIONS ? 0 : REFUSAL['bad-target']
    const hostStart = start + SCHEME.length
    if (end <= hostStart || !equalsWord(b, start, hostStart, SCHEME)) return REFUSAL['bad-target']
    let p = hostStart
    while (p < end && b[p] !== SLASH && b[p] !== QUESTION) p++
    if (p === hostStart || !isHost(b, hostStart, p)) return REFUSAL['bad-target']
    // A query without a path has no origin form that all readers take alike.
    if (p < end && b[p] === QUESTION) return REFUSAL['bad-target']
    this.isAbsolute = true
    this.hostStart = hostStart
    this.hostEnd = p
    this.targetStart = p
    return 0
  }

  #interpret(b: Uint8Array): number {
    const { lines, connection } = this
    const { ids, valueStart, valueEnd } = lines
    connection.reset()
    let present = 0
    let hostLine = -1
    let lengthLine = -1
    let encodingLine = -1
    let expectLine = -1
    let upgradeLine = -1
    this.hasUnderscored = false
    for (let i = 0; i < lines.count; i++) {
      let id = ids[i]!
      if (id === 0) continue
      if (id >= UNDERSCORED) {
        id -= UNDERSCORED
        if (((NEVER_UNDERSCORED >>> id) & 1) === 1) return REFUSAL['ambiguous-header-name']
        this.hasUnderscored = true
        present |= 1 << id
        continue
      }
      const bit = 1 << id
      const isRepeated = (present & bit) !== 0
      present |= bit
      if ((bit & READ) === 0) continue
      if (id === HEADER.host) {
        if (isRepeated) return REFUSAL['duplicate-host']
        hostLine = i
      } else if (id === HEADER.connection) {
        const refusal = connection.add(b, valueStart[i]!, valueEnd[i]!)
        if (refusal !== 0) return refusal
      } else if (id === HEADER['content-length']) {
        if (isRepeated) return REFUSAL['duplicate-content-length']
        lengthLine = i
      } else if (id === HEADER['transfer-encoding']) {
        if (isRepeated) return REFUSAL['bad-transfer-encoding']
        encodingLine = i
      } else if (id === HEADER.expect) {
        if (isRepeated) return REFUSAL['expectation-failed']
        expectLine = i
      } else if (id === HEADER.upgrade) {
        if (isRepeated) return REFUSAL['bad-upgrade']
        upgradeLine = i
      }
    }
    this.present = present
    this.keepsAlive = !connection.close && (this.minor === 1 || connection.keepAlive)
    return (
      this.#readHost(b, hostLine) ||
      this.#readFraming(b, lengthLine, encodingLine) ||
      this.#readExpectation(b, expectLine) ||
      this.#readUpgrade(b, upgradeLine)
    )
  }

  #readHost(b: Uint8Array, line: number): number {
    if (line === -1) {
      if (this.minor === 1) return REFUSAL['missing-host']
      if (!this.isAbsolute) this.hostStart = this.hostEnd = 0
      return 0
    }
    const start = this.lines.valueStart[line]!
    const end = this.lines.valueEnd[line]!
    if (end > start && !isHost(b, start, end)) return REFUSAL['bad-host']
    // The authority of an absolute target counts and replaces `Host` (RFC 9112 §3.2.2).
    if (!this.isAbsolute) {
      this.hostStart = start
      this.hostEnd = end
    }
    return 0
  }

  #readFraming(b: Uint8Array, lengthLine: number, encodingLine: number): number {
    this.framing = NO_BODY
    this.contentLength = 0
    if (encodingLine !== -1) {
      if (lengthLine !== -1) return REFUSAL['length-and-encoding']
      if (this.minor === 0) return REFUSAL['encoding-in-http10']
      const { valueStart, valueEnd } = this.lines
      if (!equalsWord(b, valueStart[encodingLine]!, valueEnd[encodingLine]!, CHUNKED_WORD)) {
        return REFUSAL['bad-transfer-encoding']
      }
      this.framing = CHUNKED
      return 0
    }
    if (lengthLine === -1) return 0
    const length = contentLength(b, this.lines.valueStart[lengthLine]!, this.lines.valueEnd[lengthLine]!)
    if (length === -1) return REFUSAL['bad-content-length']
    this.contentLength = length
    this.framing = length === 0 ? NO_BODY : BY_LENGTH
    return 0
  }

  #readExpectation(b: Uint8Array, line: number): number {
    this.expectsContinue = false
    if (line === -1) return 0
    const { valueStart, valueEnd } = this.lines
    if (!equalsWord(b, valueStart[line]!, valueEnd[line]!, CONTINUE_WORD)) return REFUSAL['expectation-failed']
    this.expectsContinue = this.minor === 1 && this.framing !== NO_BODY
    return 0
  }

  /**
   * An upgrade needs both headers and a request that has no body; one of the connection itself is passed over, as RFC
   * 9110 §7.8 allows.
   */
  #readUpgrade(b: Uint8Array, line: number): number {
    this.wantsUpgrade = false
    if (line === -1 || !this.connection.upgrade || this.minor === 0) return 0
    const start = this.lines.valueStart[line]!
    const end = this.lines.valueEnd[line]!
    const first = itemStart(b, start, end)
    const stop = trimmedEnd(b, first, itemEnd(b, first, end))
    if (first === stop || isOfTheConnection(b, first, stop)) return 0
    if (itemStart(b, itemEnd(b, first, end), end) < end) return REFUSAL['bad-upgrade']
    for (let p = first; p < stop; p++) if (TOKEN[b[p]!] === 0 && b[p] !== SLASH) return REFUSAL['bad-upgrade']
    if (this.framing !== NO_BODY) return REFUSAL['bad-upgrade']
    if (equalsWord(b, first, stop, WEBSOCKET) && this.method !== GET) return REFUSAL['bad-upgrade']
    this.wantsUpgrade = true
    this.upgradeStart = first
    this.upgradeEnd = stop
    return 0
  }

  #refuse(refusal: number): number {
    this.refusal = refusal
    return -1
  }
}

function isOfTheConnection(b: Uint8Array, start: number, end: number): boolean {
  for (const word of OF_THE_CONNECTION) {
    const stop = word.at(-1) === SLASH ? start + word.length : end
    if (stop <= end && equalsWord(b, start, stop, word)) return true
  }
  return false
}

/** Empty for methods that have no number. */
export function methodName(method: Method): string {
  return METHOD_NAMES[method] ?? ''
}

function methodOf(b: Uint8Array, start: number, end: number): Method {
  const length = end - start
  for (let method = 1; method < METHODS.length; method++) {
    const name = METHODS[method]!
    if (name.length !== length || name[0] !== b[start]) continue
    let i = 1
    while (i < length && name[i] === b[start + i]) i++
    if (i === length) return method
  }
  return OTHER_METHOD
}

const BRACKET_OPEN = 91
const BRACKET_CLOSE = 93
const COLON = 58

/** `reg-name` or an IP literal in brackets, and a port of digits. */
export function isHost(b: Uint8Array, start: number, end: number): boolean {
  let p = start
  if (b[p] === BRACKET_OPEN) {
    p++
    while (p < end && b[p] !== BRACKET_CLOSE && HOST[b[p]!] === 1) p++
    if (p === end || b[p] !== BRACKET_CLOSE || p === start + 1) return false
    p++
  } else {
    while (p < end && b[p] !== COLON) {
      if (HOST[b[p]!] === 0 || b[p] === BRACKET_OPEN || b[p] === BRACKET_CLOSE) return false
      p++
    }
    if (p === start) return false
  }
  if (p === end) return true
  if (b[p] !== COLON) return false
  for (p++; p < end; p++) if (b[p]! < 48 || b[p]! > 57) return false
  return true
}
