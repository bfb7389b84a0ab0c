import type { ConnectionOptions } from './connection-options.ts'
import { copyBytes } from './copy-bytes.ts'
import type { FieldLines } from './field-lines.ts'

interface Head {
  readonly lines: FieldLines
  readonly connection: ConnectionOptions
  /** Ids of the known headers present, as bits. */
  readonly present: number
}

/**
 * Copies the header lines whose id is not in `dropped` (bits) and which `Connection` did not name, in as few runs as
 * their order allows. Names written with `_` count as the header they stand for. Returns where the copy ends.
 */
export function copyKeptLines(head: Head, b: Uint8Array, dropped: number, out: Uint8Array, at: number): number {
  const { lines, connection } = head
  const { ids, nameStart } = lines
  if ((head.present & dropped) === 0 && connection.nominated === 0) {
    return copyBytes(b, nameStart[0]!, lines.end, out, at)
  }
  let p = at
  let run = nameStart[0]!
  for (let i = 0; i < lines.count; i++) {
    const id = ids[i]! & 31
    const isDropped =
      (id !== 0 && ((dropped >>> id) & 1) === 1) || (connection.nominated > 0 && connection.isNominated(b, lines, i))
    if (!isDropped) continue
    if (run < nameStart[i]!) p = copyBytes(b, run, nameStart[i]!, out, p)
    run = nameStart[i + 1]!
  }
  return run < lines.end ? copyBytes(b, run, lines.end, out, p) : p
}
