import { setImmediate } from 'node:timers/promises'
import { futureRevisionError, type Revision } from '../store.ts'
import { checkpointIfDue } from './checkpoint.ts'
import { pragma } from './database.ts'
import { type EngineState, prepare } from './engine-state.ts'
import { entryId, revisionOf } from './entry.ts'
import { write } from './write.ts'

/** How many entries one step looks at; between steps other work gets its turn. */
const STEP_ENTRIES = 1_000
/** Pages given back to the file system in one step … */
const VACUUM_PAGES = 500
/** … as long as more than this many are free: some are left, so that ordinary churn reuses them. */
const FREE_PAGES_KEPT = 1_024

interface PassedRow {
  readonly id: bigint
  readonly key: string
  readonly gone: bigint
}

/**
 * Forgets, of what is not newer than `revision`, all but each key's newest value, in small steps, then gives free pages
 * back. The cost follows the changes since the last compaction, not the size of the store: only a key that changed has
 * anything to forget. A crash in the middle leaves entries that nobody may read; the next compaction takes them along.
 */
export async function compact(state: EngineState, revision: Revision, stopped: () => boolean): Promise<void> {
  if (revision > state.revision) throw futureRevisionError(revision, state.revision)
  if (revision > state.compacted) {
    write(state, () => {
      state.statements.mark.run('compacted', revision)
      state.statements.mark.run('revision', state.revision)
    })
    state.compacted = revision
  }
  const { database } = state
  const passed = prepare(
    database,
    'SELECT id, key, value IS NULL AS gone FROM entries WHERE id >= ? AND id < ? ORDER BY id LIMIT ?',
  )
  const forgetOlder = prepare(database, 'DELETE FROM entries WHERE key = ? AND id < ?')
  const forget = prepare(database, 'DELETE FROM entries WHERE id = ?')
  const end = entryId(state.compacted + 1n)
  for (let from = entryId(state.swept + 1n); from < end && !stopped(); ) {
    const rows = passed.all(from, end, STEP_ENTRIES) as unknown as readonly PassedRow[]
    const done = rows.length < STEP_ENTRIES
    const next = done ? end : rows.at(-1)!.id + 1n
    write(state, () => {
      for (const { id, key, gone } of rows) {
        state.logPages += Number(forgetOlder.run(key, id).changes)
        if (gone === 1n) forget.run(id)
      }
      // The last revision may go on in the next step; it is looked at again then if a crash comes between.
      state.statements.mark.run('swept', revisionOf(next) - 1n)
    })
    state.swept = revisionOf(next) - 1n
    from = next
    checkpointIfDue(state)
    await setImmediate()
  }
  while (!stopped() && (pragma(database, 'freelist_count') as number) > FREE_PAGES_KEPT) {
    write(state, () => database.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`))
    state.logPages += VACUUM_PAGES
    checkpointIfDue(state)
    await setImmediate()
  }
}
