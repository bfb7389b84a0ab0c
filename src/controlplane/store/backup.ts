import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { assertOwn, openDatabase, pragma } from './sqlite/database.ts'
import { type EntryRow, entrySum, revisionOf } from './sqlite/entry.ts'
import { corruptError, storeErrorOf } from './sqlite/store-error-of.ts'
import { type Revision, StoreError } from './store.ts'

/** How far a restored store's revision jumps, so that no watcher takes new changes for ones it has seen (etcd's advice). */
const RESTORE_BUMP = 1_000_000_000n
const BUSY_MS = 10_000

/** Writes a consistent copy of the store to a new file, also while the cluster runs, and checks it. Throws StoreError. */
export async function backupStore(path: string, to: string): Promise<void> {
  if (!existsSync(path)) throw new StoreError('failed', `there is no store at ${path}`)
  if (existsSync(to)) throw new StoreError('failed', `${to} exists already`)
  const unfinished = `${to}.unfinished`
  let database: DatabaseSync | undefined
  try {
    rmSync(unfinished, { force: true })
    database = new DatabaseSync(path)
    assertOwn(database, path)
    // VACUUM INTO reads one snapshot; writers go on meanwhile.
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`)
    database.prepare('VACUUM INTO ?').run(unfinished)
    readBackup(unfinished).close()
    renameSync(unfinished, to)
  } catch (error) {
    rmSync(unfinished, { force: true })
    throw storeErrorOf(error, path)
  } finally {
    database?.close()
  }
}

/**
 * Puts a backup in a store's place; the cluster must be stopped. The revision jumps far ahead and everything before it
 * counts as compacted: a watcher from before the restore is told to list anew instead of missing or repeating changes.
 * Throws StoreError.
 */
export async function restoreStore(from: string, to: string, options: { readonly force: boolean }): Promise<void> {
  if (!existsSync(from)) throw new StoreError('failed', `${from} does not exist`)
  if (existsSync(to) && statSync(to).size > 0 && !options.force) {
    throw new StoreError('failed', `${to} holds a store already; give --force to replace it`)
  }
  const fresh = `${to}.restored`
  try {
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
    assertStopped(to)
    rmSync(fresh, { force: true })
    const backup = readBackup(from)
    const newest = newestRevision(backup)
    backup.prepare('VACUUM INTO ?').run(fresh)
    backup.close()
    jumpAhead(fresh, newest)
    for (const suffix of ['-wal', '-shm']) rmSync(`${to}${suffix}`, { force: true })
    renameSync(fresh, to)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw storeErrorOf(error, from)
  } finally {
    for (const suffix of ['-wal', '-shm', '.lock']) rmSync(`${fresh}${suffix}`, { force: true })
  }
}

/**
 * Lets the store in a file go on far behind `revision`, with everything up to there compacted: whoever knows a revision
 * from before must list anew. The store must not be open. Throws StoreError.
 */
export function jumpAhead(path: string, revision: Revision): void {
  const { database, close } = openDatabase(path)
  const mark = database.prepare(
    'INSERT INTO marks (name, revision) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET revision = excluded.revision',
  )
  for (const name of ['revision', 'compacted']) mark.run(name, revision + RESTORE_BUMP)
  close()
}

/** Opens a backup after looking at all of it. Throws `corrupt`. */
function readBackup(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    assertOwn(database, path)
    if (pragma(database, 'user_version') === 0) throw new StoreError('corrupt', `${path} is no store of wherry`)
    const verdict = pragma(database, 'integrity_check(1)')
    if (verdict !== 'ok') throw corruptError(path, String(verdict))
    const all = database.prepare('SELECT id, key, created, sum, value FROM entries')
    all.setReadBigInts(true)
    for (const { id, key, created, sum, value } of all.iterate() as unknown as Iterable<EntryRow>) {
      if (entrySum(id, key, created, value) !== Number(sum)) {
        throw corruptError(path, `the value of ${key} at revision ${revisionOf(id)} has changed on the disk`)
      }
    }
    return database
  } catch (error) {
    database.close()
    throw storeErrorOf(error, path)
  }
}

function newestRevision(database: DatabaseSync): bigint {
  const one = (sql: string): bigint => {
    const statement = database.prepare(sql)
    statement.setReadBigInts(true)
    return (statement.get() as { readonly r: bigint | null } | undefined)?.r ?? 0n
  }
  return one(`SELECT MAX(r) AS r FROM (SELECT MAX(id) >> 10 AS r FROM entries UNION SELECT revision FROM marks)`)
}

/** Taking the lock that a running cluster holds proves that none runs. Throws `locked`. */
function assertStopped(path: string): void {
  const lock = new DatabaseSync(`${path}.lock`)
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT')
  } catch (error) {
    const failure = storeErrorOf(error, path)
    throw failure.code === 'locked'
      ? new StoreError('locked', `a cluster runs on ${dirname(path)}; stop it first, then restore`, { cause: error })
      : failure
  } finally {
    lock.close()
  }
}
