/** What each byte may be part of, as tables of 256 (RFC 9110 §5.6, RFC 9112 §3). */

export const TAB = 9
export const LF = 10
export const CR = 13
export const SPACE = 32
export const COMMA = 44
export const COLON = 58

function tableOf(accepts: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (accepts(byte) ? 1 : 0))
}

const isDigit = (byte: number): boolean => byte >= 48 && byte <= 57
const isAlpha = (byte: number): boolean => (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122)
const oneOf = (text: string): ((byte: number) => boolean) => {
  const bytes = new Set(Buffer.from(text, 'latin1'))
  return (byte) => bytes.has(byte)
}

const isTokenMark = oneOf("!#$%&'*+-.^_`|~")
/** `tchar`: methods, header names, list items. */
export const TOKEN = tableOf((byte) => isDigit(byte) || isAlpha(byte) || isTokenMark(byte))

/** Header values and reason phrases: visible ASCII, space, tab, and bytes above 127, which are passed on unread. */
export const VALUE = tableOf((byte) => byte === TAB || (byte >= 32 && byte !== 127))

/** Request targets: visible ASCII without `#`. A fragment never leaves a client, and no reader agrees on other bytes. */
export const TARGET = tableOf((byte) => byte > 32 && byte < 127 && byte !== 35)

const isHostMark = oneOf("-._~!$&'()*+;=%:[]")
/** `host [":" port]`, with sub-delims and IP literals; `,` is left out, since it joins repeated headers. */
export const HOST = tableOf((byte) => isDigit(byte) || isAlpha(byte) || isHostMark(byte))

/** Letters to their lower case, all else to itself. */
export const LOWER = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte))

/** Value of a hexadecimal digit, 255 for what is none. */
export const HEX = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (isDigit(byte)) return byte - 48
  const letter = LOWER[byte]! - 97
  return letter >= 0 && letter < 6 ? letter + 10 : 255
})
