import { TOKEN, VALUE } from '../http1/byte-classes.ts'
import { bytesOf } from '../http1/field-values.ts'
import { HEADER, headerId, headerSet, UNDERSCORED } from '../http1/header-ids.ts'

/** What a field's name is: one of these, or, from `REGULAR` on, that plus `headerId`. */
export const BAD_NAME = 0
export const METHOD = 1
export const SCHEME = 2
export const AUTHORITY = 3
export const PATH = 4
export const PROTOCOL = 5
export const STATUS = 6
export const REGULAR = 16

const COLON = 58
const UPPER_A = 65
const UPPER_Z = 90
const PSEUDO: readonly (readonly [number, Uint8Array])[] = (
  [
    [METHOD, ':method'],
    [SCHEME, ':scheme'],
    [AUTHORITY, ':authority'],
    [PATH, ':path'],
    [PROTOCOL, ':protocol'],
    [STATUS, ':status'],
  ] as const
).map(([kind, name]) => [kind, bytesOf(name)] as const)

/** Fields of one connection; HTTP/2 has other means for what they say (RFC 9113 §8.2.2). */
const CONNECTION_FIELDS = headerSet('connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade')

/** The class of the name in `b[start, end)`: tokens in lower case, pseudo-fields of the standards (RFC 9113 §8.2, §8.3). */
export function classifyName(b: Uint8Array, start: number, end: number): number {
  if (start === end) return BAD_NAME
  if (b[start] === COLON) return classifyPseudo(b, start, end)
  for (let p = start; p < end; p++) {
    const byte = b[p]!
    if (TOKEN[byte] === 0 || (byte >= UPPER_A && byte <= UPPER_Z)) return BAD_NAME
  }
  return REGULAR + headerId(b, start, end)
}

function classifyPseudo(b: Uint8Array, start: number, end: number): number {
  for (const [kind, name] of PSEUDO) {
    if (name.length !== end - start) continue
    let i = 1
    while (i < name.length && b[start + i] === name[i]) i++
    if (i === name.length) return kind
  }
  return BAD_NAME
}

/** Visible characters, spaces and tabs within, bytes above 127: what a header line can hold without becoming another. */
export function isValue(b: Uint8Array, start: number, end: number): boolean {
  for (let p = start; p < end; p++) if (VALUE[b[p]!] === 0) return false
  if (start === end) return true
  const isPadded = b[start]! <= 32 || b[end - 1]! <= 32
  return !isPadded
}

export function isConnectionField(nameClass: number): boolean {
  const id = nameClass - REGULAR
  return id > 0 && id < UNDERSCORED && ((CONNECTION_FIELDS >>> id) & 1) === 1
}

export const TE = REGULAR + HEADER.te
export const COOKIE = REGULAR + HEADER.cookie
export const HOST = REGULAR + HEADER.host
export const CONTENT_LENGTH = REGULAR + HEADER['content-length']
export const CONTENT_TYPE = REGULAR + HEADER['content-type']
