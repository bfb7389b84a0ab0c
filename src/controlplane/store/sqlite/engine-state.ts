import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Revision, StoreError } from '../store.ts'
import { type OpenDatabase, openDatabase } from './database.ts'
import { type EntryRow, entrySum, revisionOf } from './entry.ts'
import { corruptError } from './store-error-of.ts'

/** What all verbs of the SQLite engine share. */
export interface EngineState {
  readonly path: string
  readonly database: DatabaseSync
  readonly statements: {
    readonly head: StatementSync
    readonly entry: StatementSync
    readonly insert: StatementSync
    readonly mark: StatementSync
  }
  revision: Revision
  /** Nothing at or before it may be watched, nothing before it listed. */
  compacted: Revision
  /** Up to here compaction has done its work; behind `compacted` after a crash in the middle. */
  swept: Revision
  /** Set by the first write that failed other than for want of space: nothing is written after it. */
  failure: StoreError | undefined
  /** Pages written to the log since it was last folded into the database, roughly. */
  logPages: number
  readonly close: () => void
}

/** A statement whose integers come back as bigint. */
export function prepare(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql)
  statement.setReadBigInts(true)
  return statement
}

/** Opens the database and reads where it stands. Throws StoreError as `openDatabase` does. */
export function openEngineState(path: string): EngineState {
  const { database, close }: OpenDatabase = openDatabase(path)
  const one = (sql: string): bigint =>
    (prepare(database, sql).get() as { readonly r: bigint | null } | undefined)?.r ?? 0n
  const markOf = (name: string): Revision => one(`SELECT revision AS r FROM marks WHERE name = '${name}'`)
  // Compaction may have forgotten the newest entry of all, a deletion: then the mark is ahead.
  const revision = [revisionOf(one('SELECT MAX(id) AS r FROM entries')), markOf('revision'), 1n].reduce((a, b) =>
    a > b ? a : b,
  )
  return {
    path,
    database,
    statements: {
      head: prepare(
        database,
        'SELECT id, created, value IS NULL AS gone FROM entries WHERE key = ? ORDER BY id DESC LIMIT 1',
      ),
      entry: prepare(database, 'SELECT id, key, created, sum, value FROM entries WHERE id = ?'),
      insert: prepare(database, 'INSERT INTO entries (id, key, created, sum, value) VALUES (?, ?, ?, ?, ?)'),
      mark: prepare(
        database,
        'INSERT INTO marks (name, revision) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET revision = excluded.revision',
      ),
    },
    revision,
    compacted: markOf('compacted'),
    swept: markOf('swept'),
    failure: undefined,
    logPages: 0,
    close,
  }
}

/** Throws `corrupt` when an entry is not what was written. */
export function checkEntry(state: EngineState, row: EntryRow): void {
  if (entrySum(row.id, row.key, row.created, row.value) === Number(row.sum)) return
  throw corruptError(state.path, `the value of ${row.key} at revision ${revisionOf(row.id)} has changed on the disk`)
}
