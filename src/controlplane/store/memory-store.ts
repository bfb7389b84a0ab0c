import { checkTransaction } from './check-transaction.ts'
import { compareKeys, endOfPrefix } from './key-order.ts'
import {
  type CommitResult,
  CompactedError,
  futureRevisionError,
  type KeyValue,
  type ListOptions,
  type ListResult,
  type Revision,
  type Store,
  StoreError,
  type StoreEvent,
  type StoreTransaction,
} from './store.ts'
import { digestOf, type StoreDigest } from './store-digest.ts'
import { type History, WatchHub } from './watch-hub.ts'

/** Index of the first element for which `isAfter` holds; elements for which it holds stand behind all others. */
function search<T>(sorted: readonly T[], isAfter: (element: T) => boolean): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isAfter(sorted[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}

/**
 * The store without a disk: nothing survives the process. Every version of a key stays in memory until compaction.
 * Reads and writes take effect at once, in the order of calls; what they return resolves in a later microtask.
 */
class MemoryStore implements Store {
  /** Versions of each key, oldest first. */
  readonly #versions = new Map<string, StoreEvent[]>()
  readonly #keys: string[] = []
  #log: StoreEvent[] = []
  readonly #hub = new WatchHub((prefix, from) => this.#history(prefix, from))
  #revision: Revision = 1n
  #compacted: Revision = 0n
  #closed: StoreError | undefined

  async get(key: string): Promise<KeyValue | undefined> {
    this.#assertOpen()
    return this.#at(key, this.#revision)
  }

  async list(prefix: string, options: ListOptions = {}): Promise<ListResult> {
    this.#assertOpen()
    const { revision = this.#revision, limit = Number.POSITIVE_INFINITY, after } = options
    if (revision > this.#revision) throw futureRevisionError(revision, this.#revision)
    if (revision < this.#compacted) throw new CompactedError(this.#compacted)
    const items: KeyValue[] = []
    let remaining = 0
    const first = after !== undefined && compareKeys(after, prefix) >= 0 ? after : undefined
    const from =
      first === undefined
        ? search(this.#keys, (key) => compareKeys(key, prefix) >= 0)
        : search(this.#keys, (key) => compareKeys(key, first) > 0)
    const end = endOfPrefix(prefix)
    const to = end === undefined ? this.#keys.length : search(this.#keys, (key) => compareKeys(key, end) >= 0)
    for (let i = from; i < to; i++) {
      const item = this.#at(this.#keys[i]!, revision)
      if (item === undefined) continue
      if (items.length < limit) items.push(item)
      else remaining += 1
    }
    return { items, revision, more: remaining > 0, remaining }
  }

  async commit(transaction: StoreTransaction): Promise<CommitResult> {
    this.#assertOpen()
    checkTransaction(transaction)
    for (const { key, modRevision } of transaction.expect) {
      if ((this.#at(key, this.#revision)?.modRevision ?? 0n) !== modRevision)
        return { ok: false, revision: this.#revision }
    }
    const modRevision = this.#revision + 1n
    const events: StoreEvent[] = []
    for (const { key, value } of transaction.puts) {
      const createRevision = this.#at(key, this.#revision)?.createRevision ?? modRevision
      events.push({ type: 'put', key, value, createRevision, modRevision })
    }
    for (const key of transaction.deletes) {
      if (this.#at(key, this.#revision) !== undefined) events.push({ type: 'delete', key, modRevision })
    }
    if (events.length === 0) return { ok: true, revision: this.#revision }
    for (const event of events) {
      const versions = this.#versions.get(event.key)
      if (versions !== undefined) versions.push(event)
      else {
        this.#versions.set(event.key, [event])
        this.#keys.splice(
          search(this.#keys, (key) => compareKeys(key, event.key) > 0),
          0,
          event.key,
        )
      }
      this.#log.push(event)
    }
    this.#revision = modRevision
    this.#hub.publish(events)
    return { ok: true, revision: modRevision }
  }

  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<readonly StoreEvent[]> {
    return this.#hub.watch(prefix, from, signal)
  }

  async compact(revision: Revision): Promise<void> {
    this.#assertOpen()
    if (revision <= this.#compacted) return
    if (revision > this.#revision) throw futureRevisionError(revision, this.#revision)
    this.#compacted = revision
    for (const { key } of this.#log.slice(0, this.#logIndex(revision + 1n))) {
      const versions = this.#versions.get(key)
      if (versions === undefined) continue
      const newest = versions.findLastIndex((version) => version.modRevision <= revision)
      versions.splice(0, versions[newest]?.type === 'delete' ? newest + 1 : newest)
      if (versions.length > 0) continue
      this.#versions.delete(key)
      this.#keys.splice(
        search(this.#keys, (other) => compareKeys(other, key) >= 0),
        1,
      )
    }
    this.#log = this.#log.slice(this.#logIndex(revision + 1n))
  }

  async digest(prefix: string): Promise<StoreDigest & { readonly revision: Revision }> {
    const { items, revision } = await this.list(prefix)
    return { ...digestOf(items), revision }
  }

  async currentRevision(): Promise<Revision> {
    this.#assertOpen()
    return this.#revision
  }

  async close(): Promise<void> {
    this.#closed ??= new StoreError('closed', 'the store is closed')
    this.#hub.close(this.#closed)
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw this.#closed
  }

  #at(key: string, revision: Revision): KeyValue | undefined {
    const version = this.#versions.get(key)?.findLast(({ modRevision }) => modRevision <= revision)
    return version?.type === 'put'
      ? {
          key,
          value: version.value,
          createRevision: version.createRevision,
          modRevision: version.modRevision,
        }
      : undefined
  }

  #logIndex(revision: Revision): number {
    return search(this.#log, ({ modRevision }) => modRevision >= revision)
  }

  #history(prefix: string, from: Revision): History {
    if (this.#compacted > 0n && from <= this.#compacted) throw new CompactedError(this.#compacted)
    const events = this.#log.slice(this.#logIndex(from)).filter(({ key }) => key.startsWith(prefix))
    return { events, upTo: this.#revision, complete: true }
  }
}

/** The same contract as the durable stores, in memory: for `--store memory` and for tests. */
export function createMemoryStore(): Store {
  return new MemoryStore()
}
