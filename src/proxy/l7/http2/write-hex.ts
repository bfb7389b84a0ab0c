const DIGITS = Uint8Array.from(Buffer.from('0123456789abcdef', 'latin1'))

/** Writes a size as chunks say it; returns where it ends. */
export function writeHex(value: number, out: Uint8Array, at: number): number {
  let p = at
  let shift = 28
  while (shift > 0 && value >>> shift === 0) shift -= 4
  for (; shift >= 0; shift -= 4) out[p++] = DIGITS[(value >>> shift) & 15]!
  return p
}
