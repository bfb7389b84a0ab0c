import { LOWER } from '../http1/byte-classes.ts'

const DOT = 46
const SLASH = 47
const QUESTION = 63
const PERCENT = 37
const BACKSLASH = 92

/** An encoded byte's two digits as one number, in lower case; 0 where there are not two. */
function encoded(b: Uint8Array, p: number, end: number): number {
  return p + 2 < end ? LOWER[b[p + 1]!]! * 256 + LOWER[b[p + 2]!]! : 0
}

const digits = (text: string): number => text.charCodeAt(0) * 256 + text.charCodeAt(1)
const ENCODED_DOT = digits('2e')
const ENCODED_SLASH = digits('2f')
const ENCODED_BACKSLASH = digits('5c')
const ENCODED_NUL = digits('00')

/**
 * Whether a server may take the path in `b[start, end)` for another one than is written: `.` and `..` segments, encoded
 * ones too, empty segments, `\`, encoded `/`, `\` and NUL. Such a path could be let through by one rule and served as
 * what another one guards.
 */
export function isAmbiguousPath(b: Uint8Array, start: number, end: number): boolean {
  if (b[start] !== SLASH) return false
  // Of the segment at hand: how many dots it consists of so far, -1: of something else too.
  let dots = 0
  let length = 0
  for (let p = start + 1; p < end && b[p] !== QUESTION; p++) {
    const byte = b[p]!
    if (byte === SLASH) {
      if (length === 0 || dots === 1 || dots === 2) return true
      dots = 0
      length = 0
      continue
    }
    length++
    if (byte === BACKSLASH) return true
    let isDot = byte === DOT
    if (byte === PERCENT) {
      const code = encoded(b, p, end)
      if (code === ENCODED_SLASH || code === ENCODED_BACKSLASH || code === ENCODED_NUL) return true
      isDot = code === ENCODED_DOT
      if (isDot) p += 2
    }
    dots = isDot && dots >= 0 ? dots + 1 : -1
  }
  return dots === 1 || dots === 2
}
