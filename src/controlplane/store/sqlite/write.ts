import type { EngineState } from './engine-state.ts'
import { storeErrorOf } from './store-error-of.ts'

/** Runs `body` in one SQLite transaction; it is on disk when this returns. A failure rolls back and is a StoreError. */
export function write(state: EngineState, body: () => void): void {
  const { database, path } = state
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
    throw storeErrorOf(error, path)
  }
}
