/**
 * Order of keys as etcd and SQLite have it: by UTF-8 bytes, which is the order of code points. JavaScript compares
 * UTF-16 units, which differs where characters beyond U+FFFF meet those from U+E000 on.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    const xIsHigh = x >= 0xd800 && x <= 0xdfff
    const yIsHigh = y >= 0xd800 && y <= 0xdfff
    return xIsHigh === yIsHigh ? x - y : xIsHigh ? 1 : -1
  }
  return a.length - b.length
}

/** The first string after every string with this prefix, in the order of keys; undefined when there is none. */
export function endOfPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix)
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const next = last.codePointAt(0)! + 1
    if (next > 0x10ffff) continue
    // Surrogates are no characters: after U+D7FF comes U+E000.
    return points.join('') + String.fromCodePoint(next === 0xd800 ? 0xe000 : next)
  }
  return undefined
}
