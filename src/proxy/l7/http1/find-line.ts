import type { FieldLines } from './field-lines.ts'
import { equalsWord } from './field-values.ts'

/** The first line whose name is `name` (given in lower case); -1: there is none. */
export function findLine({ count, nameStart, nameEnd }: FieldLines, b: Uint8Array, name: Uint8Array): number {
  for (let i = 0; i < count; i++) if (equalsWord(b, nameStart[i]!, nameEnd[i]!, name)) return i
  return -1
}
