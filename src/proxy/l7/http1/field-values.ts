import { COMMA, LOWER, SPACE, TAB } from './byte-classes.ts'

/** 15 digits, so that every length is an exact integer. */
const LENGTH_DIGITS_MAX = 15

/**
 * A `Content-Length` (RFC 9110 §8.6): digits alone, no sign, no list, no leading zero, as the readers of such values
 * disagree on all of them. -1 when it is anything else.
 */
export function contentLength(b: Uint8Array, start: number, end: number): number {
  const digits = end - start
  if (digits === 0 || digits > LENGTH_DIGITS_MAX || (digits > 1 && b[start] === 48)) return -1
  let length = 0
  for (let p = start; p < end; p++) {
    const digit = b[p]! - 48
    if (digit < 0 || digit > 9) return -1
    length = length * 10 + digit
  }
  return length
}

/** Whether `b[start, end)` is `word` (given in lower case), in any case. */
export function equalsWord(b: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  if (end - start !== word.length) return false
  for (let i = 0; i < word.length; i++) if (LOWER[b[start + i]!] !== word[i]) return false
  return true
}

/** Where the list item at or after `p` starts: white space and commas are passed over. */
export function itemStart(b: Uint8Array, p: number, end: number): number {
  let at = p
  while (at < end && (b[at] === COMMA || b[at] === SPACE || b[at] === TAB)) at++
  return at
}

/** The end of the list item that starts at `p`, with trailing white space. */
export function itemEnd(b: Uint8Array, p: number, end: number): number {
  let at = p
  while (at < end && b[at] !== COMMA) at++
  return at
}

/** `end` without the white space before it. */
export function trimmedEnd(b: Uint8Array, start: number, end: number): number {
  let at = end
  while (at > start && (b[at - 1] === SPACE || b[at - 1] === TAB)) at--
  return at
}

/** Bytes of a text, for comparing with and copying into messages. */
export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'))
}
