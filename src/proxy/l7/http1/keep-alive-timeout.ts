import { bytesOf, equalsWord, itemEnd, itemStart } from './field-values.ts'

const TIMEOUT = bytesOf('timeout=')

/** Seconds in `Keep-Alive: timeout=5, max=100`; -1 when it does not say. */
export function parseKeepAliveTimeout(b: Uint8Array, start: number, end: number): number {
  for (let p = itemStart(b, start, end); p < end; p = itemStart(b, itemEnd(b, p, end), end)) {
    if (p + TIMEOUT.length >= end || !equalsWord(b, p, p + TIMEOUT.length, TIMEOUT)) continue
    let seconds = 0
    for (let at = p + TIMEOUT.length; at < end; at++) {
      const digit = b[at]! - 48
      if (digit < 0 || digit > 9 || seconds > 1_000_000) break
      seconds = seconds * 10 + digit
    }
    return seconds
  }
  return -1
}
