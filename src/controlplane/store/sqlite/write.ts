import type { EngineState } from './engine-state.ts'
import { storeErrorOf } from './store-error-of.ts'

/** Runs `body` in one SQLite transaction; it is on disk when this returns. A failure rolls back and is a StoreError. */
export function write(state: EngineState, body: () => void): void {
  const { database } = state
  guarded(state, () => {
    try {
      database.exec('BEGIN IMMEDIATE')
      body()
      database.exec('COMMIT')
    } catch (error) {
      try {
        if (database.isTransaction) database.exec('ROLLBACK')
      } catch {
        // SQLite has rolled back by itself.
      }
      throw error
    }
  })
}

/**
 * Runs something that writes to the disk. After a failure that is not a full or a busy disk nothing is written any
 * more: a kernel that lost a page calls the next fsync a success. Throws StoreError.
 */
export function guarded(state: EngineState, writing: () => void): void {
  if (state.failure !== undefined) throw state.failure
  try {
    writing()
  } catch (error) {
    const failure = storeErrorOf(error, state.path)
    if (failure.code !== 'full' && failure.code !== 'locked') state.failure = failure
    throw failure
  }
}
