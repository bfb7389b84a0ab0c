import { copyBytes } from '../http1/copy-bytes.ts'
import type { FieldLines } from '../http1/field-lines.ts'

const CR = 13
const LF = 10

/**
 * The header lines in `text[0, end)`, which have been read before, without those that the proxy knows: as trailers they
 * could be taken for headers that say where a message ends or where it came from. `lines`: memory to find them in.
 */
export function withoutKnown(text: Uint8Array, end: number, lines: FieldLines): Uint8Array {
  text[end] = CR
  text[end + 1] = LF
  if (lines.scan(text, 0, end + 2) <= 0) return new Uint8Array(0)
  const { ids, nameStart, count } = lines
  const out = new Uint8Array(end)
  let p = 0
  for (let i = 0; i < count; i++) {
    if (ids[i] === 0) p = copyBytes(text, nameStart[i]!, i + 1 < count ? nameStart[i + 1]! : end, out, p)
  }
  return out.subarray(0, p)
}
