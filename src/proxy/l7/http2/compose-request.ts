import { LOWER, TARGET, TOKEN } from '../http1/byte-classes.ts'
import { appendBytes, copyBytes } from '../http1/copy-bytes.ts'
import { bytesOf, contentLength, equalsWord } from '../http1/field-values.ts'
import { REFUSAL } from '../http1/refusal.ts'
import type { FieldBlock } from './field-block.ts'
import { AUTHORITY, METHOD, PATH, PROTOCOL, SCHEME, STATUS } from './field-rules.ts'

const VERSION_LINE = bytesOf(' HTTP/1.1\r\n')
const HOST = bytesOf('Host: ')
const CRLF = bytesOf('\r\n')
const CHUNKED = bytesOf('Transfer-Encoding: chunked\r\n')
const NO_CONTENT = bytesOf('Content-Length: 0\r\n')
const GET = bytesOf('GET')
const UPGRADE = bytesOf('Connection: Upgrade\r\nUpgrade: ')
const CONNECT = bytesOf('connect')
const HTTP = bytesOf('http')
const HTTPS = bytesOf('https')
/** Methods whose requests say so when they have no body: some servers want to be told. */
const WITH_BODY = ['POST', 'PUT', 'PATCH'].map(bytesOf)
const SLASH = 47
const ASTERISK = 42
const SPACE = 32

/** Who asks for an upgrade in a client's place. */
export interface Upgrader {
  /** `Sec-WebSocket-Key`, which HTTP/2 does without; a whole header line. */
  webSocketKeyLines(): Uint8Array
}

/**
 * Writes the request in `block` to `out` as HTTP/1.1 has it (RFC 9113 §8.3, §8.1.1) and returns its length, or a refusal
 * as a negative number. What is written is then read like any request that came as such, by the same strict reader:
 * here it is only made sure that each field becomes what it was, and nothing that could be taken for framing is let in.
 *
 * `isLast`: there is no body. Extended CONNECT (RFC 8441) becomes the upgrade that it stands for.
 */
export function composeRequest(block: FieldBlock, isLast: boolean, upgrader: Upgrader, out: Uint8Array): number {
  if (block.isTooLarge) return -REFUSAL['head-too-large']
  if (block.refusal !== 0) return -block.refusal
  const { bytes: b, pseudoStart, pseudoEnd } = block
  if (!block.has(METHOD) || block.has(STATUS)) return -REFUSAL['bad-pseudo-header']
  const methodStart = pseudoStart[METHOD]!
  const methodEnd = pseudoEnd[METHOD]!
  if (methodStart === methodEnd) return -REFUSAL['bad-pseudo-header']
  for (let p = methodStart; p < methodEnd; p++) if (TOKEN[b[p]!] === 0) return -REFUSAL['bad-pseudo-header']
  const isConnect = equalsWord(b, methodStart, methodEnd, CONNECT)
  const isExtended = isConnect && block.has(PROTOCOL)
  if (block.has(PROTOCOL) && !isConnect) return -REFUSAL['bad-pseudo-header']
  if (isConnect && !isExtended) return -REFUSAL['method-not-allowed']
  const refusal = checkTarget(block) || checkHost(block) || checkLength(block, isLast)
  if (refusal !== 0) return -refusal
  let p = isExtended ? appendBytes(GET, out, 0) : copyBytes(b, methodStart, methodEnd, out, 0)
  out[p++] = SPACE
  p = block.copyPseudo(PATH, out, p)
  p = appendBytes(VERSION_LINE, out, p)
  if (block.hostStart === -1 && block.has(AUTHORITY)) {
    p = appendBytes(HOST, out, p)
    p = block.copyPseudo(AUTHORITY, out, p)
    p = appendBytes(CRLF, out, p)
  }
  p = block.copyLines(out, p)
  if (isExtended) {
    p = appendBytes(UPGRADE, out, p)
    p = block.copyPseudo(PROTOCOL, out, p)
    p = appendBytes(CRLF, out, p)
    p = appendBytes(upgrader.webSocketKeyLines(), out, p)
  } else if (block.contentLengthStart === -1) {
    if (!isLast) p = appendBytes(CHUNKED, out, p)
    else if (mayHaveBody(b, methodStart, methodEnd)) p = appendBytes(NO_CONTENT, out, p)
  }
  return appendBytes(CRLF, out, p)
}

function checkTarget({ bytes: b, pseudoStart, pseudoEnd }: FieldBlock): number {
  const schemeStart = pseudoStart[SCHEME]!
  const schemeEnd = pseudoEnd[SCHEME]!
  const start = pseudoStart[PATH]!
  const end = pseudoEnd[PATH]!
  if (schemeStart === -1 || start === -1 || start === end) return REFUSAL['bad-pseudo-header']
  if (!equalsWord(b, schemeStart, schemeEnd, HTTP) && !equalsWord(b, schemeStart, schemeEnd, HTTPS)) {
    return REFUSAL['bad-pseudo-header']
  }
  // No absolute form: where a request goes is said once.
  if (b[start] !== SLASH && !(b[start] === ASTERISK && end - start === 1)) return REFUSAL['bad-target']
  for (let p = start; p < end; p++) if (TARGET[b[p]!] === 0) return REFUSAL['bad-target']
  return 0
}

/** Both may be there if they say the same (RFC 9113 §8.3.1). */
function checkHost({ bytes: b, pseudoStart, pseudoEnd, hostStart, hostEnd }: FieldBlock): number {
  const start = pseudoStart[AUTHORITY]!
  if (start === -1 || hostStart === -1) return 0
  const length = pseudoEnd[AUTHORITY]! - start
  if (length !== hostEnd - hostStart) return REFUSAL['host-mismatch']
  for (let i = 0; i < length; i++) {
    if (LOWER[b[start + i]!] !== LOWER[b[hostStart + i]!]) return REFUSAL['host-mismatch']
  }
  return 0
}

function checkLength({ bytes: b, contentLengthStart, contentLengthEnd }: FieldBlock, isLast: boolean): number {
  if (contentLengthStart === -1) return 0
  const length = contentLength(b, contentLengthStart, contentLengthEnd)
  if (length === -1) return REFUSAL['bad-content-length']
  return isLast && length > 0 ? REFUSAL['body-length-mismatch'] : 0
}

function mayHaveBody(b: Uint8Array, start: number, end: number): boolean {
  for (const method of WITH_BODY) {
    if (method.length !== end - start) continue
    let i = 0
    while (i < method.length && b[start + i] === method[i]) i++
    if (i === method.length) return true
  }
  return false
}
