import type { EngineState } from './engine-state.ts'
import { guarded } from './write.ts'

/** About so many pages of 4 KiB gather in the log before it is folded into the database. */
const LOG_PAGES = 2_000

/**
 * Folds the log into the database when enough has gathered. Done here and not by SQLite itself, which would say nothing
 * of a failed fsync. Throws StoreError.
 */
export function checkpointIfDue(state: EngineState): void {
  if (state.logPages < LOG_PAGES) return
  guarded(state, () => state.database.exec('PRAGMA wal_checkpoint(PASSIVE)'))
  state.logPages = 0
}
