import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../store.ts'
import { corruptError, storeErrorOf } from './store-error-of.ts'

/** "whry": marks the file as wherry's own. */
const APPLICATION_ID = 0x77687279
const FORMAT = 1
/** How much of the write-ahead log's file is kept for reuse after it was folded into the database. */
const LOG_BYTES_KEPT = 16 * 1024 * 1024

export interface OpenDatabase {
  readonly database: DatabaseSync
  close(): void
}

/**
 * Opens the store's database and makes its tables. `entries` holds every version of every key until compaction: the
 * row's id is the revision times 1,024 plus its number within the revision, so that ids grow in the order of commits;
 * a deletion has no value; `sum` is a checksum. A committed transaction is on disk before `COMMIT` returns (WAL,
 * synchronous FULL). Throws StoreError: `locked`, `corrupt`, `full` or `failed`.
 */
export function openDatabase(path: string): OpenDatabase {
  let lock: DatabaseSync | undefined
  let database: DatabaseSync | undefined
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    lock = takeLock(path)
    database = new DatabaseSync(path)
    assertOwn(database, path)
    database.exec(`
      PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = 0;
      PRAGMA journal_size_limit = ${LOG_BYTES_KEPT};
      PRAGMA cache_size = -16384;
      PRAGMA busy_timeout = 5000;
    `)
    if (pragma(database, 'user_version') === 0) createTables(database)
    const verdict = pragma(database, 'quick_check(1)')
    if (verdict !== 'ok') throw corruptError(path, String(verdict))
  } catch (error) {
    close(database)
    close(lock)
    throw storeErrorOf(error, path)
  }
  return {
    database,
    close() {
      close(database)
      close(lock)
    },
  }
}

/** The single value of a pragma. */
export function pragma(database: DatabaseSync, text: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${text}`).get() ?? {})[0]
}

/** Throws `corrupt` for a file that is no database, another program's, or of a newer wherry. */
export function assertOwn(database: DatabaseSync, path: string): void {
  const id = pragma(database, 'application_id')
  const isNew = database.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined
  if (!isNew && id !== APPLICATION_ID) throw new StoreError('corrupt', `${path} is no store of wherry`)
  const format = pragma(database, 'user_version') as number
  if (format > FORMAT) {
    throw new StoreError(
      'corrupt',
      `${path} was written by a newer wherry (format ${format}, this one knows ${FORMAT})`,
    )
  }
}

function createTables(database: DatabaseSync): void {
  database.exec(`
    BEGIN IMMEDIATE;
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = ${FORMAT};
    CREATE TABLE entries (
      id INTEGER PRIMARY KEY,
      key TEXT NOT NULL COLLATE BINARY,
      created INTEGER NOT NULL,
      sum INTEGER NOT NULL,
      value BLOB
    );
    CREATE INDEX entries_by_key ON entries (key);
    CREATE TABLE marks (name TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
    COMMIT;
  `)
}

/** Holds a lock for as long as the process lives, whatever way it ends; the second one to ask gets an error. */
function takeLock(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.lock`)
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    const failure = storeErrorOf(error, path)
    if (failure.code !== 'locked') throw failure
    throw new StoreError(
      'locked',
      `another cluster runs on ${dirname(path)}; stop it, or give this one a directory of its own with --data-dir`,
      { cause: error },
    )
  }
}

function close(database: DatabaseSync | undefined): void {
  if (database?.isOpen === true) database.close()
}
