import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openDatabase, storeErrorOf } from './sqlite-database.ts'
import { StoreError } from './store.ts'

/** How far a restored store's revision jumps, so that no watcher takes new changes for ones it has seen (etcd's advice). */
const RESTORE_BUMP = 1_000_000_000n

function checked(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true })
  const { integrity_check: verdict } = database.prepare('PRAGMA integrity_check(1)').get() as {
    readonly integrity_check: string
  }
  if (verdict !== 'ok') throw new StoreError('corrupt', `${path} is damaged: ${verdict}`)
  if (database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'entries'").get() === undefined) {
    throw new StoreError('corrupt', `${path} is no store of wherry`)
  }
  return database
}

/** Writes a consistent copy of the store to a new file, also while the cluster runs. Throws StoreError. */
export async function backupStore(path: string, to: string): Promise<void> {
  if (existsSync(to)) throw new StoreError('failed', `${to} exists already`)
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA busy_timeout = 10000')
    database.prepare('VACUUM INTO ?').run(to)
    checked(to).close()
  } catch (error) {
    rmSync(to, { force: true })
    throw storeErrorOf(error, path)
  } finally {
    database.close()
  }
}

/** Puts a backup in a store's place; the cluster must be stopped. Throws StoreError. */
export async function restoreStore(from: string, to: string, options: { readonly force: boolean }): Promise<void> {
  if (!existsSync(from)) throw new StoreError('failed', `${from} does not exist`)
  if (existsSync(to) && !options.force)
    throw new StoreError('failed', `${to} holds a store already; give --force to replace it`)
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
  // Taking the old store's lock proves that no cluster runs on it.
  if (existsSync(to)) openDatabase(to).close()
  const fresh = `${to}.restored`
  rmSync(fresh, { force: true })
  try {
    const source = checked(from)
    source.prepare('VACUUM INTO ?').run(fresh)
    source.close()
    const { database, close } = openDatabase(fresh)
    const { r } = database
      .prepare('SELECT MAX(revision) AS r FROM (SELECT revision FROM entries UNION SELECT revision FROM marks)')
      .get() as { readonly r: number | null }
    const mark = database.prepare(
      'INSERT INTO marks (name, revision) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET revision = excluded.revision',
    )
    for (const name of ['revision', 'compacted']) mark.run(name, BigInt(r ?? 1) + RESTORE_BUMP)
    close()
  } catch (error) {
    for (const suffix of ['', '-wal', '-shm', '.lock']) rmSync(`${fresh}${suffix}`, { force: true })
    throw storeErrorOf(error, from)
  }
  for (const suffix of ['-wal', '-shm']) rmSync(`${to}${suffix}`, { force: true })
  renameSync(fresh, to)
  rmSync(`${fresh}.lock`, { force: true })
}
