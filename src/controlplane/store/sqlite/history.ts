import { CompactedError, type Revision } from '../store.ts'
import { checkEntry, type EngineState, prepare } from './engine-state.ts'
import { type EntryRow, entryId, revisionOf } from './entry.ts'

/** A page holds about so many entries, and always whole revisions. */
const PAGE_ENTRIES = 2_000

export interface HistoryEntry {
  readonly key: string
  readonly modRevision: Revision
  readonly created: Revision
  /** Undefined: the key was deleted. */
  readonly value: Uint8Array | undefined
}

export interface HistoryPage {
  readonly entries: readonly HistoryEntry[]
  /** Everything up to this revision is in `entries`. */
  readonly upTo: Revision
  readonly complete: boolean
}

export type ReadHistoryPage = (prefix: string, from: Revision) => HistoryPage

/** Reads changes in the order of commits. Throws `CompactedError`. */
export function createHistoryReader(state: EngineState): ReadHistoryPage {
  const since = prepare(state.database, 'SELECT id, key, created, sum, value FROM entries WHERE id >= ? ORDER BY id')
  return (prefix, from) => {
    if (state.compacted > 0n && from <= state.compacted) throw new CompactedError(state.compacted)
    const entries: HistoryEntry[] = []
    let looked = 0
    let last: Revision | undefined
    for (const row of since.iterate(entryId(from)) as unknown as Iterable<EntryRow>) {
      const modRevision = revisionOf(row.id)
      if (looked >= PAGE_ENTRIES && modRevision !== last) return { entries, upTo: last!, complete: false }
      looked += 1
      last = modRevision
      if (!row.key.startsWith(prefix)) continue
      checkEntry(state, row)
      entries.push({ key: row.key, modRevision, created: row.created, value: row.value ?? undefined })
    }
    return { entries, upTo: state.revision, complete: true }
  }
}
