import { endOfPrefix } from '../key-order.ts'
import {
  CompactedError,
  futureRevisionError,
  type KeyValue,
  type ListOptions,
  type ListResult,
  type Revision,
} from '../store.ts'
import { DigestBuilder, type StoreDigest } from '../store-digest.ts'
import { checkEntry, type EngineState, prepare } from './engine-state.ts'
import { type EntryRow, entryId, revisionOf } from './entry.ts'

/** How many pages' counts are remembered, so that the next page need not count again. */
const COUNTS_MAX = 256

interface NewestRow {
  readonly id: bigint
  readonly key: string
}

export interface RangeReader {
  get(key: string): KeyValue | undefined
  /** Throws `CompactedError`, or a `future-revision` error. */
  list(prefix: string, options: ListOptions): ListResult
  digest(prefix: string): StoreDigest & { readonly revision: Revision }
}

/** Reads current or past values in the order of keys. */
export function createRangeReader(state: EngineState): RangeReader {
  const { database } = state
  // Both run over the index of keys alone; rows are fetched by id.
  const newest = prepare(
    database,
    `SELECT MAX(id) AS id, key FROM entries INDEXED BY entries_by_key
     WHERE key >= ?1 AND key > ?2 AND key < ?3 AND id < ?4 GROUP BY key ORDER BY key`,
  )
  const counting = prepare(
    database,
    `SELECT COUNT(*) AS n FROM (
       SELECT MAX(id) AS id FROM entries INDEXED BY entries_by_key
       WHERE key > ?1 AND key < ?2 AND id < ?3 GROUP BY key
     ) newest CROSS JOIN entries ON entries.id = newest.id WHERE value IS NOT NULL`,
  )
  const gone = prepare(database, 'SELECT value IS NULL AS gone FROM entries WHERE id = ?')
  const counts = new Map<string, number>()

  /** How many keys follow `last`; known without counting when the page before `last` was counted. */
  const countAfter = (
    key: string,
    known: number | undefined,
    last: string,
    end: string,
    revision: Revision,
  ): number => {
    const count =
      known ?? Number((counting.get(last, end, entryId(revision + 1n)) as unknown as { readonly n: bigint }).n)
    counts.set(key, count)
    if (counts.size > COUNTS_MAX) counts.delete(counts.keys().next().value!)
    return count
  }

  const keyValue = (id: bigint): KeyValue | undefined => {
    const row = state.statements.entry.get(id) as unknown as EntryRow
    checkEntry(state, row)
    if (row.value === null) return undefined
    return { key: row.key, value: row.value, createRevision: row.created, modRevision: revisionOf(row.id) }
  }

  return {
    get(key) {
      const head = state.statements.head.get(key) as { readonly id: bigint } | undefined
      return head === undefined ? undefined : keyValue(head.id)
    },

    list(prefix, { revision = state.revision, limit = Number.POSITIVE_INFINITY, after = '' }) {
      if (revision > state.revision) throw futureRevisionError(revision, state.revision)
      if (revision < state.compacted) throw new CompactedError(state.compacted)
      const end = endOfKeys(prefix)
      const items: KeyValue[] = []
      let more = false
      for (const row of newest.iterate(prefix, after, end, entryId(revision + 1n)) as unknown as Iterable<NewestRow>) {
        const item = keyValue(row.id)
        if (item === undefined) continue
        if (items.length >= limit) {
          more = true
          break
        }
        items.push(item)
      }
      if (!more) return { items, revision, more, remaining: 0 }
      const countKey = (last: string): string => `${revision} ${prefix} ${last}`
      const before = counts.get(countKey(after))
      const last = items.at(-1)?.key ?? after
      const known = before === undefined ? undefined : before - items.length
      return { items, revision, more, remaining: countAfter(countKey(last), known, last, end, revision) }
    },

    digest(prefix) {
      const builder = new DigestBuilder()
      const rows = newest.iterate(prefix, '', endOfKeys(prefix), entryId(state.revision + 1n))
      for (const { id, key } of rows as unknown as Iterable<NewestRow>) {
        if ((gone.get(id) as { readonly gone: bigint } | undefined)?.gone === 0n) builder.add(key, revisionOf(id))
      }
      return { ...builder.digest(), revision: state.revision }
    },
  }
}

/** Where a range ends; keys hold no U+10FFFF at their start, so this one stands behind all of them. */
function endOfKeys(prefix: string): string {
  return endOfPrefix(prefix) ?? '\u{10ffff}\u{10ffff}'
}
