import type { StatementSync } from 'node:sqlite'
import { type OpenDatabase, openDatabase, storeErrorOf } from './sqlite-database.ts'
import {
  type CommitResult,
  CompactedError,
  type KeyValue,
  type ListOptions,
  type ListResult,
  type Revision,
  type Store,
  StoreError,
  type StoreEvent,
  type StoreTransaction,
} from './store.ts'
import { WatchHub } from './watch-hub.ts'

interface Row {
  readonly key: string
  readonly revision: bigint
  readonly created: bigint
  readonly value: Uint8Array | null
}

interface Pending {
  readonly transaction: StoreTransaction
  readonly resolve: (result: CommitResult) => void
  readonly reject: (error: unknown) => void
}

/** How many entries one step of a compaction looks at; between steps other work gets its turn. */
const COMPACT_STEP = 2_000

function keyValue(row: Row): KeyValue {
  return { key: row.key, value: row.value!, createRevision: row.created, modRevision: row.revision }
}

/** The first string that is greater than every string with this prefix, in the order of UTF-8 bytes. */
function endOfPrefix(prefix: string): string {
  const last = prefix.codePointAt(prefix.length - 1)!
  return prefix.slice(0, -1) + String.fromCodePoint(last + 1)
}

/**
 * The embedded store. All commits of one turn of the event loop share one SQLite transaction and so one fsync, each
 * with a revision of its own; each is acknowledged after that fsync. A full disk refuses writes and heals by itself;
 * any other failure to write stops the store for good, since a retried fsync may lie.
 */
class SqliteStore implements Store {
  readonly #path: string
  readonly #open: OpenDatabase
  readonly #hub = new WatchHub()
  readonly #statements: Record<'latest' | 'insert' | 'since' | 'range' | 'mark' | 'forget', StatementSync>
  readonly #onFailure: (error: StoreError) => void
  #pending: Pending[] = []
  #revision: Revision
  #compacted: Revision
  #failure: StoreError | undefined

  constructor(path: string, onFailure: (error: StoreError) => void) {
    this.#path = path
    this.#onFailure = onFailure
    this.#open = openDatabase(path)
    const prepare = (sql: string): StatementSync => {
      const statement = this.#open.database.prepare(sql)
      statement.setReadBigInts(true)
      return statement
    }
    this.#statements = {
      latest: prepare(
        'SELECT key, revision, created, value FROM entries WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1',
      ),
      insert: prepare('INSERT INTO entries (key, revision, created, value) VALUES (?, ?, ?, ?)'),
      since: prepare(
        'SELECT key, revision, created, value FROM entries WHERE revision >= ? AND key >= ? AND key < ? ORDER BY revision, key',
      ),
      range: prepare(
        'SELECT key, revision, created, value FROM entries WHERE key >= ? AND key < ? AND revision <= ? ORDER BY key, revision',
      ),
      mark: prepare(
        'INSERT INTO marks (name, revision) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET revision = excluded.revision',
      ),
      forget: prepare('DELETE FROM entries WHERE key = ? AND revision = ?'),
    }
    const revisionOf = (sql: string): bigint =>
      (prepare(sql).get() as { readonly r: bigint | null } | undefined)?.r ?? 0n
    const newest = revisionOf('SELECT MAX(revision) AS r FROM entries')
    const marked = revisionOf("SELECT revision AS r FROM marks WHERE name = 'revision'")
    this.#compacted = revisionOf("SELECT revision AS r FROM marks WHERE name = 'compacted'")
    // Compaction may have forgotten the newest entry of all, a deletion: then the mark is ahead.
    this.#revision = [newest, marked, 1n].reduce((a, b) => (a > b ? a : b))
  }

  async get(key: string): Promise<KeyValue | undefined> {
    this.#assertServing()
    const row = this.#latest(key)
    return row === undefined || row.value === null ? undefined : keyValue(row)
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    this.#assertServing()
    const revision = options.revision ?? this.#revision
    if (revision > this.#revision)
      throw new StoreError(
        'future-revision',
        `revision ${revision} has not happened yet; the store stands at ${this.#revision}`,
      )
    if (revision < this.#compacted) throw new CompactedError(this.#compacted)
    const first = options.after === undefined ? prefix : `${options.after}\0`
    const end = endOfPrefix(prefix)
    const items: KeyValue[] = []
    const limit = options.limit ?? Number.POSITIVE_INFINITY
    let more = false
    // One pass in key order: the last row of a key is its newest. Grouping in SQL costs twenty times as much.
    let last: Row | undefined
    const take = (): boolean => {
      if (last !== undefined && last.value !== null) {
        if (items.length >= limit) {
          more = true
          return false
        }
        items.push(keyValue(last))
      }
      return true
    }
    for (const row of this.#statements.range.iterate(first, end, revision) as unknown as Iterable<Row>) {
      if (last !== undefined && row.key !== last.key && !take()) break
      last = row
    }
    if (!more) take()
    return { items, revision, more, remaining: more ? this.#count(`${items.at(-1)!.key}\0`, end, revision) : 0 }
  }

  commit(transaction: StoreTransaction): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      this.#pending.push({ transaction, resolve, reject })
      if (this.#pending.length === 1) setImmediate(() => this.#flush())
    })
  }

  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<readonly StoreEvent[]> {
    return this.#hub.watch(
      prefix,
      () => {
        this.#assertServing()
        if (from <= this.#compacted) throw new CompactedError(this.#compacted)
        const rows = this.#statements.since.all(from, prefix, endOfPrefix(prefix)) as unknown as Row[]
        return { events: rows.map((row) => this.#eventOf(row)), replayed: this.#revision }
      },
      signal,
    )
  }

  /** Keeps, of what is not newer than `revision`, only each key's newest value; in small steps. */
  async compact(revision: Revision): Promise<void> {
    this.#assertServing()
    if (revision <= this.#compacted) return
    if (revision > this.#revision)
      throw new StoreError(
        'future-revision',
        `revision ${revision} has not happened yet; the store stands at ${this.#revision}`,
      )
    const { database } = this.#open
    // First the marks: a crash in the middle leaves old entries that nobody may read any more.
    this.#write(() => {
      this.#statements.mark.run('compacted', revision)
      this.#statements.mark.run('revision', this.#revision)
    })
    this.#compacted = revision
    const page = database.prepare(
      `SELECT key, revision, value IS NULL AS gone, LEAD(key) OVER (ORDER BY key, revision) AS following
       FROM entries WHERE (key, revision) > (?, ?) AND revision <= ? ORDER BY key, revision LIMIT ?`,
    )
    page.setReadBigInts(true)
    let at: readonly [string, bigint] = ['', 0n]
    for (;;) {
      const rows = page.all(at[0], at[1], revision, COMPACT_STEP + 1) as unknown as {
        key: string
        revision: bigint
        gone: bigint
        following: string | null
      }[]
      const step = rows.slice(0, COMPACT_STEP)
      const forgotten = step.filter((row) => row.following === row.key || row.gone === 1n)
      if (forgotten.length > 0) {
        this.#write(() => {
          for (const row of forgotten) this.#statements.forget.run(row.key, row.revision)
        })
      }
      if (rows.length <= COMPACT_STEP) break
      const last = step.at(-1)!
      at = [last.key, last.revision]
      await new Promise((resolve) => setImmediate(resolve))
      this.#assertServing()
    }
    database.exec('PRAGMA incremental_vacuum(4000)')
  }

  async currentRevision(): Promise<Revision> {
    this.#assertServing()
    return this.#revision
  }

  async close(): Promise<void> {
    if (this.#failure?.code === 'closed') return
    if (this.#pending.length > 0) this.#flush()
    this.#failure = new StoreError('closed', 'the store is closed')
    this.#hub.close()
    this.#open.close()
  }

  #assertServing(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #latest(key: string, upTo: Revision = this.#revision): Row | undefined {
    return this.#statements.latest.get(key, upTo) as unknown as Row | undefined
  }

  #count(from: string, end: string, revision: Revision): number {
    const statement = this.#open.database.prepare(
      `SELECT COUNT(*) AS n FROM (SELECT key, MAX(revision) AS revision FROM entries WHERE key >= ? AND key < ? AND revision <= ? GROUP BY key) n
       JOIN entries e ON e.key = n.key AND e.revision = n.revision WHERE e.value IS NOT NULL`,
    )
    return (statement.get(from, end, revision) as { readonly n: number }).n
  }

  #eventOf(row: Row): StoreEvent {
    const before = this.#latest(row.key, row.revision - 1n)
    const previous = before === undefined || before.value === null ? undefined : keyValue(before)
    return row.value === null
      ? { type: 'delete', key: row.key, modRevision: row.revision, previous }
      : {
          type: 'put',
          key: row.key,
          value: row.value,
          createRevision: row.created,
          modRevision: row.revision,
          previous,
        }
  }

  /** One SQLite transaction; a failure rolls back and is thrown as a StoreError. */
  #write(body: () => void): void {
    const { database } = this.#open
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
      const failure = storeErrorOf(error, this.#path)
      if (failure.code !== 'full') {
        this.#failure = failure
        this.#hub.close()
        this.#onFailure(failure)
      }
      throw failure
    }
  }

  #flush(): void {
    const batch = this.#pending
    this.#pending = []
    const before = this.#revision
    const events: StoreEvent[] = []
    let results: CommitResult[]
    try {
      this.#assertServing()
      results = []
      this.#write(() => {
        for (const { transaction } of batch) results.push(this.#apply(transaction, events))
      })
    } catch (error) {
      this.#revision = before
      for (const { reject } of batch) reject(error)
      return
    }
    for (const [i, { resolve }] of batch.entries()) resolve(results[i]!)
    if (events.length > 0) this.#hub.publish(events)
  }

  #apply(transaction: StoreTransaction, events: StoreEvent[]): CommitResult {
    for (const { key, modRevision } of transaction.expect) {
      const row = this.#latest(key)
      const current = row === undefined || row.value === null ? 0n : row.revision
      if (current !== modRevision) return { ok: false, revision: this.#revision }
    }
    if (transaction.puts.length === 0 && transaction.deletes.length === 0) return { ok: true, revision: this.#revision }
    const revision = this.#revision + 1n
    let changed = false
    for (const { key, value } of transaction.puts) {
      const before = this.#latest(key)
      const previous = before === undefined || before.value === null ? undefined : keyValue(before)
      const createRevision = previous?.createRevision ?? revision
      this.#statements.insert.run(key, revision, createRevision, value)
      events.push({ type: 'put', key, value, createRevision, modRevision: revision, previous })
      changed = true
    }
    for (const key of transaction.deletes) {
      const before = this.#latest(key)
      if (before === undefined || before.value === null) continue
      this.#statements.insert.run(key, revision, before.created, null)
      events.push({ type: 'delete', key, modRevision: revision, previous: keyValue(before) })
      changed = true
    }
    if (changed) this.#revision = revision
    return { ok: true, revision: this.#revision }
  }
}

export interface SqliteStoreOptions {
  readonly path: string
  /** Called once when the store has failed for good: the process is to end, and recovers at its next start. */
  readonly onFailure: (error: StoreError) => void
}

/** Opens the embedded store. Throws StoreError `locked`, `corrupt` or `failed` with a sentence for the user. */
export function openSqliteStore(options: SqliteStoreOptions): Store {
  return new SqliteStore(options.path, options.onFailure)
}

/** The same store without a disk: nothing survives the process. */
export function createMemoryStore(): Store {
  return new SqliteStore(':memory:', () => {})
}
