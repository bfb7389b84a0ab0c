import { SPACE, TAB } from './byte-classes.ts'
import { appendBytes, copyBytes } from './copy-bytes.ts'
import { copyKeptLines } from './copy-kept-lines.ts'
import { bytesOf, equalsWord, itemEnd, itemStart } from './field-values.ts'
import { CHUNKED } from './framing.ts'
import { HEADER, headerSet } from './header-ids.ts'
import type { RandomHex } from './random-hex.ts'
import { REFUSAL } from './refusal.ts'
import { OPTIONS, type RequestHead } from './request-head.ts'

export interface ForwardSettings {
  /** Our name in `Via`; a token, in lower case. */
  readonly pseudonym: string
  /**
   * A request that came through this proxy so many times is going round. More than one: a service behind the proxy may
   * rightly call another one through it and pass its headers on.
   */
  readonly loopHopsMax: number
  /** The client is a proxy of ours: what it says in `X-Forwarded-*` and `Forwarded` is kept and added to, else replaced. */
  readonly trustsForwarded: boolean
  /** Also writes `Forwarded` (RFC 7239). */
  readonly writesForwarded: boolean
  /** Gives a request that has no usable `X-Request-Id` one. */
  readonly createsRequestId: boolean
  /** Starts a trace (not sampled) where there is none; a valid `traceparent` always passes through unchanged. */
  readonly createsTraceparent: boolean
}

export const DEFAULT_FORWARD_SETTINGS: ForwardSettings = {
  pseudonym: 'wherry',
  loopHopsMax: 8,
  trustsForwarded: false,
  writesForwarded: false,
  createsRequestId: true,
  createsTraceparent: false,
}

const VERSION_LINE = bytesOf(' HTTP/1.1\r\n')
const HOST = bytesOf('Host: ')
const FORWARDED_HOST = bytesOf('X-Forwarded-Host: ')
const FORWARDED_FOR = bytesOf('X-Forwarded-For: ')
const PROTO = bytesOf('X-Forwarded-Proto: ')
const FOR_V4 = bytesOf('Forwarded: for=')
const FOR_V4_END = bytesOf(';proto=')
const FOR_V6 = bytesOf('Forwarded: for="[')
const FOR_V6_END = bytesOf(']";proto=')
const FORWARDED_BY_HOST = bytesOf(';host="')
const REQUEST_ID = bytesOf('X-Request-Id: ')
const TRACEPARENT = bytesOf('traceparent: 00-')
const NOT_SAMPLED = bytesOf('-00\r\n')
const ENCODING = bytesOf('Transfer-Encoding: chunked\r\n')
const CLOSE = bytesOf('Connection: close\r\n')
const UPGRADE = bytesOf('Connection: Upgrade\r\nUpgrade: ')
const CRLF = bytesOf('\r\n')
const SEPARATOR = bytesOf(', ')
const DASH = 45
const SLASH = 47
const ASTERISK = 42

/** RFC 9110 §7.6.1, and `Proxy`, which CGI would hand on as HTTP_PROXY. */
const HOP_BY_HOP = headerSet(
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'upgrade',
  'http2-settings',
  'transfer-encoding',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy',
)
const FROM_PROXIES = headerSet(
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
)
const VIA = headerSet('via')
const ID = headerSet('x-request-id')
const TRACE = headerSet('traceparent', 'tracestate')
const REQUEST_ID_BYTES_MAX = 128
const TRACEPARENT_BYTES = 55
const BLOCKS_MAX = 4_096
/** Upper bound of what `write` adds beside the connection's block and copies of the host and of X-Forwarded-For. */
const ADDED_BYTES_MAX = 512

/** How the connection goes on after this request. */
export const PERSISTS = 0
export const CLOSES = 1
export const UPGRADES = 2
export type AfterRequest = typeof PERSISTS | typeof CLOSES | typeof UPGRADES

/** What is said of one client's connection in each of its requests. */
export interface ClientBlock {
  /** Whole header lines. */
  readonly lines: Uint8Array
  readonly address: Uint8Array
  readonly scheme: Uint8Array
  /** As `ForwardSettings.trustsForwarded`, of this client. */
  readonly isTrusted: boolean
}

/** Rewrites request heads for the next hop. The result always says HTTP/1.1 and has exactly one reading. */
export class RequestForwarder {
  readonly #settings: ForwardSettings
  readonly #random: RandomHex
  readonly #pseudonym: Uint8Array
  readonly #droppedOfTrusted: number
  readonly #droppedOfOthers: number
  readonly #blocks = new Map<string, ClientBlock>()

  constructor(settings: ForwardSettings, random: RandomHex) {
    this.#settings = settings
    this.#random = random
    this.#pseudonym = bytesOf(settings.pseudonym)
    this.#droppedOfTrusted = HOP_BY_HOP | headerSet('x-forwarded-for')
    this.#droppedOfOthers = HOP_BY_HOP | FROM_PROXIES
  }

  /**
   * `address`: the client's, as text; `protocol`: what it speaks; `isTrusted`: default as in the settings. Kept for the
   * client's next connection.
   */
  clientBlock(
    address: string,
    scheme: 'http' | 'https',
    protocol: '1.1' | '2.0' = '1.1',
    isTrusted: boolean = this.#settings.trustsForwarded,
  ): ClientBlock {
    const key = `${isTrusted ? '+' : '-'}${scheme}${protocol}${address}`
    const known = this.#blocks.get(key)
    if (known !== undefined) return known
    if (this.#blocks.size >= BLOCKS_MAX) this.#blocks.clear()
    const block = this.#createBlock(address, scheme, protocol, isTrusted)
    this.#blocks.set(key, block)
    return block
  }

  #createBlock(address: string, scheme: 'http' | 'https', protocol: '1.1' | '2.0', isTrusted: boolean): ClientBlock {
    const { pseudonym } = this.#settings
    const peer = isTrusted ? '' : `X-Forwarded-For: ${address}\r\nX-Forwarded-Proto: ${scheme}\r\n`
    return {
      lines: bytesOf(`${peer}Via: ${protocol} ${pseudonym}\r\n`),
      address: bytesOf(address),
      scheme: bytesOf(scheme),
      isTrusted,
    }
  }

  /** Room that `write` may need. */
  bytesMax(head: RequestHead, client: ClientBlock): number {
    const host = head.hostEnd - head.hostStart
    return head.end - head.start + client.lines.length + 3 * host + 2 * client.address.length + ADDED_BYTES_MAX
  }

  /** A refusal that only forwarding shows, or 0. */
  check(head: RequestHead, b: Uint8Array): number {
    if ((head.present & VIA) === 0) return 0
    const { lines } = head
    let hops = 0
    for (let i = 0; i < lines.count; i++) {
      if (lines.ids[i] === HEADER.via) hops += this.#hopsIn(b, lines.valueStart[i]!, lines.valueEnd[i]!)
    }
    return hops >= this.#settings.loopHopsMax ? REFUSAL['loop-detected'] : 0
  }

  /** Writes the head of the request to send on to `out` from `at`; returns where it ends. */
  write(
    head: RequestHead,
    b: Uint8Array,
    client: ClientBlock,
    after: AfterRequest,
    out: Uint8Array,
    at: number,
  ): number {
    const settings = this.#settings
    const { present } = head
    let p = this.#writeStartLine(head, b, out, at)
    let dropped = client.isTrusted ? this.#droppedOfTrusted : this.#droppedOfOthers
    const hasHostLine = !head.isAbsolute && (present & (1 << HEADER.host)) !== 0
    if (!hasHostLine) {
      dropped |= 1 << HEADER.host
      p = appendBytes(HOST, out, p)
      p = copyBytes(b, head.hostStart, head.hostEnd, out, p)
      p = appendBytes(CRLF, out, p)
    }
    if (!head.expectsContinue) dropped |= 1 << HEADER.expect
    let createsId = settings.createsRequestId
    if ((present & ID) !== 0) {
      if (hasUsableRequestId(head, b)) createsId = false
      else dropped |= ID
    }
    let createsTrace = settings.createsTraceparent
    if ((present & TRACE) !== 0) {
      if (hasValidTraceparent(head, b)) createsTrace = false
      else dropped |= TRACE
    }
    p = copyKeptLines(head, b, dropped, out, p)
    if (client.isTrusted) p = this.#addToForwarded(head, b, client, out, p)
    else if (head.hostEnd > head.hostStart) p = writeHost(FORWARDED_HOST, head, b, out, p)
    if (settings.writesForwarded) p = this.#writeForwarded(head, b, client, out, p)
    p = appendBytes(client.lines, out, p)
    if (createsId) {
      p = appendBytes(REQUEST_ID, out, p)
      p = this.#random.write(out, p, 32)
      p = appendBytes(CRLF, out, p)
    }
    if (createsTrace) {
      p = appendBytes(TRACEPARENT, out, p)
      p = this.#random.write(out, p, 32)
      out[p++] = DASH
      p = this.#random.write(out, p, 16)
      p = appendBytes(NOT_SAMPLED, out, p)
    }
    if (head.framing === CHUNKED) p = appendBytes(ENCODING, out, p)
    if (after === CLOSES) p = appendBytes(CLOSE, out, p)
    else if (after === UPGRADES) {
      p = appendBytes(UPGRADE, out, p)
      p = copyBytes(b, head.upgradeStart, head.upgradeEnd, out, p)
      p = appendBytes(CRLF, out, p)
    }
    return appendBytes(CRLF, out, p)
  }

  #writeStartLine(head: RequestHead, b: Uint8Array, out: Uint8Array, at: number): number {
    // In origin form already: method, space and target stand as they are to be.
    if (!head.isAbsolute) return appendBytes(VERSION_LINE, out, copyBytes(b, head.start, head.targetEnd, out, at))
    let p = copyBytes(b, head.start, head.methodEnd + 1, out, at)
    if (head.targetStart < head.targetEnd) p = copyBytes(b, head.targetStart, head.targetEnd, out, p)
    else out[p++] = head.method === OPTIONS ? ASTERISK : SLASH
    return appendBytes(VERSION_LINE, out, p)
  }

  #hopsIn(b: Uint8Array, start: number, end: number): number {
    let hops = 0
    for (let p = itemStart(b, start, end); p < end; ) {
      const stop = itemEnd(b, p, end)
      let word = p
      while (word < stop && b[word] !== SPACE && b[word] !== TAB) word++
      while (word < stop && (b[word] === SPACE || b[word] === TAB)) word++
      let wordEnd = word
      while (wordEnd < stop && b[wordEnd] !== SPACE && b[wordEnd] !== TAB) wordEnd++
      if (equalsWord(b, word, wordEnd, this.#pseudonym)) hops++
      p = itemStart(b, stop, end)
    }
    return hops
  }

  /** One header for the whole way, since many readers look at the first or the last one alone. */
  #addToForwarded(head: RequestHead, b: Uint8Array, client: ClientBlock, out: Uint8Array, at: number): number {
    const { lines, present } = head
    let p = appendBytes(FORWARDED_FOR, out, at)
    for (let i = 0; i < lines.count; i++) {
      if (lines.ids[i] !== HEADER['x-forwarded-for'] || lines.valueStart[i] === lines.valueEnd[i]) continue
      p = copyBytes(b, lines.valueStart[i]!, lines.valueEnd[i]!, out, p)
      p = appendBytes(SEPARATOR, out, p)
    }
    p = appendBytes(client.address, out, p)
    p = appendBytes(CRLF, out, p)
    if ((present & (1 << HEADER['x-forwarded-proto'])) === 0) {
      p = appendBytes(PROTO, out, p)
      p = appendBytes(client.scheme, out, p)
      p = appendBytes(CRLF, out, p)
    }
    const hasHost = (present & (1 << HEADER['x-forwarded-host'])) !== 0 || head.hostEnd === head.hostStart
    return hasHost ? p : writeHost(FORWARDED_HOST, head, b, out, p)
  }

  #writeForwarded(head: RequestHead, b: Uint8Array, client: ClientBlock, out: Uint8Array, at: number): number {
    const isV6 = client.address.includes(58)
    let p = appendBytes(isV6 ? FOR_V6 : FOR_V4, out, at)
    p = appendBytes(client.address, out, p)
    p = appendBytes(isV6 ? FOR_V6_END : FOR_V4_END, out, p)
    p = appendBytes(client.scheme, out, p)
    if (head.hostEnd > head.hostStart) {
      p = appendBytes(FORWARDED_BY_HOST, out, p)
      p = copyBytes(b, head.hostStart, head.hostEnd, out, p)
      out[p++] = 34
    }
    return appendBytes(CRLF, out, p)
  }
}

function writeHost(name: Uint8Array, head: RequestHead, b: Uint8Array, out: Uint8Array, at: number): number {
  let p = appendBytes(name, out, at)
  p = copyBytes(b, head.hostStart, head.hostEnd, out, p)
  return appendBytes(CRLF, out, p)
}

/** One, of visible characters. */
function hasUsableRequestId(head: RequestHead, b: Uint8Array): boolean {
  const line = onlyLine(head, HEADER['x-request-id'])
  if (line === -1) return false
  const start = head.lines.valueStart[line]!
  const end = head.lines.valueEnd[line]!
  if (end === start || end - start > REQUEST_ID_BYTES_MAX) return false
  for (let p = start; p < end; p++) if (b[p]! <= 32 || b[p]! > 126) return false
  return true
}

/** W3C Trace Context §3.2: version 00 in full, later versions as far as they must agree with it. */
function hasValidTraceparent(head: RequestHead, b: Uint8Array): boolean {
  const line = onlyLine(head, HEADER.traceparent)
  if (line === -1) return false
  const start = head.lines.valueStart[line]!
  const length = head.lines.valueEnd[line]! - start
  if (length < TRACEPARENT_BYTES) return false
  let version = 0
  let traceBits = 0
  let spanBits = 0
  for (let i = 0; i < TRACEPARENT_BYTES; i++) {
    const byte = b[start + i]!
    if (i === 2 || i === 35 || i === 52) {
      if (byte !== DASH) return false
      continue
    }
    const isHex = (byte >= 48 && byte <= 57) || (byte >= 97 && byte <= 102)
    if (!isHex) return false
    const digit = byte === 48 ? 0 : 1
    if (i < 2) version = version * 256 + byte
    else if (i < 35) traceBits |= digit
    else if (i < 52) spanBits |= digit
  }
  if (traceBits === 0 || spanBits === 0 || version === 102 * 256 + 102) return false
  const isVersion0 = version === 48 * 256 + 48
  return length === TRACEPARENT_BYTES || (!isVersion0 && b[start + TRACEPARENT_BYTES] === DASH)
}

/** The line with this header; -1 when there is none, more than one, or one written with `_`. */
function onlyLine(head: RequestHead, id: number): number {
  const { ids, count } = head.lines
  let found = -1
  for (let i = 0; i < count; i++) {
    if ((ids[i]! & 31) !== id) continue
    if (found !== -1 || ids[i] !== id) return -1
    found = i
  }
  return found
}
