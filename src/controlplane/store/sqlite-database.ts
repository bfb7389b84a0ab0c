import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreError } from './store.ts'

/** SQLite's primary result codes that mean something of their own here. */
const SQLITE = { BUSY: 5, IOERR: 10, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 } as const

/** Pages of 4 KiB in the write-ahead log before it is folded into the database. */
const CHECKPOINT_PAGES = 2_000
const JOURNAL_BYTES_MAX = 64 * 1024 * 1024

/** What an error of SQLite means for whoever uses the store. */
export function storeErrorOf(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error
  const code = ((error as { readonly errcode?: number }).errcode ?? 0) & 0xff
  const why = error instanceof Error ? error.message : String(error)
  switch (code) {
    case SQLITE.FULL:
      return new StoreError('full', `the disk that holds ${path} is full`, { cause: error })
    case SQLITE.BUSY:
      return new StoreError('locked', `${path} is in use by another process`, { cause: error })
    case SQLITE.CORRUPT:
    case SQLITE.NOTADB:
      return new StoreError(
        'corrupt',
        `${path} is damaged (${why}); put back a backup with: wherry restore FILE --force`,
        { cause: error },
      )
    case SQLITE.CANTOPEN:
      return new StoreError(
        'failed',
        `${path} cannot be opened (${why}); check that its directory exists and may be written`,
        { cause: error },
      )
    default:
      return new StoreError('failed', `the store at ${path} failed: ${why}`, { cause: error })
  }
}

/** Holds a lock for as long as the process lives, whatever way it ends; the second one to ask gets an error. */
function takeLock(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.lock`)
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    throw error
  }
}

export interface OpenDatabase {
  readonly database: DatabaseSync
  close(): void
}

/**
 * Opens the store's database and makes its tables. `entries` holds every version of every key until compaction; a
 * deletion is an entry without a value. Committed transactions are on disk before `COMMIT` returns (WAL, synchronous
 * FULL). Throws StoreError: `locked`, `corrupt` or `failed`.
 */
export function openDatabase(path: string): OpenDatabase {
  let lock: DatabaseSync | undefined
  try {
    if (path !== ':memory:') {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      lock = takeLock(path)
    }
    const database = new DatabaseSync(path)
    database.exec(`
      PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
      PRAGMA journal_size_limit = ${JOURNAL_BYTES_MAX};
      PRAGMA cache_size = -8192;
      CREATE TABLE IF NOT EXISTS entries (
        key TEXT NOT NULL COLLATE BINARY,
        revision INTEGER NOT NULL,
        created INTEGER NOT NULL,
        value BLOB,
        PRIMARY KEY (key, revision)
      ) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS entries_by_revision ON entries (revision);
      CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
    `)
    const check = database.prepare('PRAGMA quick_check(1)').get() as { readonly quick_check: string }
    if (check.quick_check !== 'ok')
      throw new StoreError(
        'corrupt',
        `${path} is damaged (${check.quick_check}); put back a backup with: wherry restore FILE --force`,
      )
    return {
      database,
      close() {
        database.close()
        lock?.close()
      },
    }
  } catch (error) {
    lock?.close()
    throw storeErrorOf(error, path)
  }
}
