import { checkTransaction } from './check-transaction.ts'
import { type EngineThread, startEngineThread } from './sqlite/engine-thread.ts'
import {
  type CommitAnswer,
  fromMessage,
  type HistoryAnswer,
  type ListAnswer,
  type OpenAnswer,
  pack,
  unpack,
} from './sqlite/protocol.ts'
import {
  type CommitResult,
  type KeyValue,
  type ListOptions,
  type ListResult,
  type Revision,
  type Store,
  StoreError,
  type StoreEvent,
  type StoreTransaction,
} from './store.ts'
import type { StoreDigest } from './store-digest.ts'
import { type History, WatchHub } from './watch-hub.ts'

interface Pending {
  readonly transaction: StoreTransaction
  readonly resolve: (result: CommitResult) => void
  readonly reject: (error: unknown) => void
}

/** One group holds at most this much; what else waits goes with the next. */
const GROUP_TRANSACTIONS_MAX = 512
const GROUP_BYTES_MAX = 8 * 1024 * 1024

/**
 * The embedded store. Commits queue here and go to the disk's thread one group at a time: all that gathered while the
 * last group was being written share one SQLite transaction and so one fsync, each with a revision of its own; each is
 * acknowledged after that fsync. A full disk refuses writes and heals by itself; any other failure to write stops the
 * store for good, since a retried fsync may lie.
 */
class SqliteStore implements Store {
  readonly #thread: EngineThread
  readonly #onFailure: (error: StoreError) => void
  readonly #hub = new WatchHub((prefix, from) => this.#history(prefix, from))
  #pending: Pending[] = []
  #writing: Promise<void> | undefined
  #revision: Revision
  #failure: StoreError | undefined

  constructor(thread: EngineThread, revision: Revision, onFailure: (error: StoreError) => void) {
    this.#thread = thread
    this.#revision = revision
    this.#onFailure = onFailure
  }

  async get(key: string): Promise<KeyValue | undefined> {
    return (await this.#ask({ op: 'get', key })) as KeyValue | undefined
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    const { items, ...rest } = (await this.#ask({ op: 'list', prefix, options })) as ListAnswer
    const values = unpack(items.values)
    return {
      ...rest,
      items: items.keys.map((key, i) => ({
        key,
        value: values[i]!,
        createRevision: items.created[i]!,
        modRevision: items.modified[i]!,
      })),
    }
  }

  commit(transaction: StoreTransaction): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      checkTransaction(transaction)
      if (this.#failure !== undefined) return reject(this.#failure)
      this.#pending.push({ transaction, resolve, reject })
      // Waiting for the end of this turn of the event loop lets its other commits join.
      this.#writing ??= new Promise((next) => setImmediate(next)).then(() => this.#writeAll())
    })
  }

  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<readonly StoreEvent[]> {
    return this.#hub.watch(prefix, from, signal)
  }

  async compact(revision: Revision): Promise<void> {
    await this.#ask({ op: 'compact', revision })
  }

  async digest(prefix: string): Promise<StoreDigest & { readonly revision: Revision }> {
    return (await this.#ask({ op: 'digest', prefix })) as StoreDigest & { readonly revision: Revision }
  }

  async currentRevision(): Promise<Revision> {
    if (this.#failure !== undefined) throw this.#failure
    return this.#revision
  }

  /** What was committed before is written first. */
  async close(): Promise<void> {
    if (this.#failure?.code === 'closed') return
    await this.#writing
    const failed = this.#failure !== undefined
    this.#failure ??= new StoreError('closed', 'the store is closed')
    this.#hub.close(this.#failure)
    if (!failed) await this.#thread.ask({ op: 'close' })
    await this.#thread.end()
  }

  async #ask(request: Parameters<EngineThread['ask']>[0], transfer?: readonly ArrayBuffer[]): Promise<unknown> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      return await this.#thread.ask(request, transfer)
    } catch (error) {
      const { code } = error as StoreError
      if (code === 'failed' || code === 'corrupt') this.#fail(error as StoreError)
      throw error
    }
  }

  #fail(error: StoreError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#hub.close(error)
    this.#onFailure(error)
  }

  async #writeAll(): Promise<void> {
    while (this.#pending.length > 0) {
      const group = this.#takeGroup()
      try {
        await this.#writeGroup(group)
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    this.#writing = undefined
  }

  #takeGroup(): readonly Pending[] {
    let bytes = 0
    let count = 0
    for (const { transaction } of this.#pending) {
      for (const { value } of transaction.puts) bytes += value.byteLength
      if (count > 0 && (bytes > GROUP_BYTES_MAX || count >= GROUP_TRANSACTIONS_MAX)) break
      count += 1
    }
    return this.#pending.splice(0, count)
  }

  async #writeGroup(group: readonly Pending[]): Promise<void> {
    const values = pack(group.flatMap(({ transaction }) => transaction.puts.map(({ value }) => value)))
    const transactions = group.map(({ transaction: { expect, puts, deletes } }) => ({
      expect: expect.map(({ key, modRevision }) => [key, modRevision] as const),
      puts: puts.map(({ key }) => key),
      deletes,
    }))
    const answer = (await this.#ask({ op: 'commit', transactions, values }, [values.bytes])) as CommitAnswer
    const events: StoreEvent[] = []
    for (const [i, { transaction, resolve, reject }] of group.entries()) {
      const outcome = answer[i]!
      if ('refused' in outcome) {
        reject(fromMessage(outcome.refused))
        continue
      }
      const { ok, revision, created, deleted } = outcome
      if (revision > this.#revision) this.#revision = revision
      resolve({ ok, revision })
      if (!ok) continue
      for (const [n, { key, value }] of transaction.puts.entries()) {
        events.push({ type: 'put', key, value, createRevision: created[n]!, modRevision: revision })
      }
      for (const [n, key] of transaction.deletes.entries()) {
        if (deleted[n] === true) events.push({ type: 'delete', key, modRevision: revision })
      }
    }
    if (events.length > 0) this.#hub.publish(events)
  }

  async #history(prefix: string, from: Revision): Promise<History> {
    const { entries, upTo, complete } = (await this.#ask({ op: 'history', prefix, from })) as HistoryAnswer
    const values = unpack(entries.values)
    const events = entries.keys.map((key, i): StoreEvent => {
      const value = values[i]
      const modRevision = entries.modified[i]!
      return value === undefined
        ? { type: 'delete', key, modRevision }
        : { type: 'put', key, value, createRevision: entries.created[i]!, modRevision }
    })
    return { events, upTo, complete }
  }
}

export interface SqliteStoreOptions {
  readonly path: string
  /** Called once when the store has failed for good: the process is to end, and recovers at its next start. */
  readonly onFailure: (error: StoreError) => void
}

/** Opens the embedded store. Rejects with StoreError `locked`, `corrupt`, `full` or `failed` and a sentence for the user. */
export async function openSqliteStore({ path, onFailure }: SqliteStoreOptions): Promise<Store> {
  const thread = startEngineThread()
  try {
    const { revision } = (await thread.ask({ op: 'open', path })) as OpenAnswer
    return new SqliteStore(thread, revision, onFailure)
  } catch (error) {
    await thread.end()
    throw error
  }
}
