import type { Revision } from '../store.ts'
import type { EngineTransaction } from './apply.ts'
import { commitGroup, type Outcome } from './commit-group.ts'
import { compact } from './compact.ts'
import { createDiskReserve } from './disk-reserve.ts'
import { openEngineState } from './engine-state.ts'
import { createHistoryReader, type ReadHistoryPage } from './history.ts'
import { createRangeReader, type RangeReader } from './list.ts'
import { storeErrorOf } from './store-error-of.ts'

/** The store on one SQLite file, without the queue and the watchers around it. Its calls block until the disk is done. */
export interface Engine extends RangeReader {
  readonly revision: Revision
  readonly compacted: Revision
  /** Each transaction's outcome, all of them on disk. Throws a StoreError after which nothing more may be written. */
  commit(transactions: readonly EngineTransaction[]): readonly Outcome[]
  readonly history: ReadHistoryPage
  /** In steps; other calls may come between them. */
  compact(revision: Revision): Promise<void>
  /** Takes the reserve for a full disk, if it is not there yet. */
  prepareReserve(): void
  close(): void
}

/** Throws StoreError: `locked`, `corrupt`, `full` or `failed`. */
export function openEngine(path: string, monotonic: () => number): Engine {
  const state = openEngineState(path)
  const reserve = createDiskReserve(`${path}.reserve`, monotonic)
  const reader = createRangeReader(state)
  const history = createHistoryReader(state)
  let closed = false
  let compaction: Promise<void> = Promise.resolve()
  /** What SQLite says while reading is told in our words. */
  const reading = <T>(read: () => T): T => {
    try {
      return read()
    } catch (error) {
      throw storeErrorOf(error, path)
    }
  }
  return {
    get revision() {
      return state.revision
    },
    get compacted() {
      return state.compacted
    },
    get: (key) => reading(() => reader.get(key)),
    list: (prefix, options) => reading(() => reader.list(prefix, options)),
    digest: (prefix) => reading(() => reader.digest(prefix)),
    history: (prefix, from) => reading(() => history(prefix, from)),
    commit: (transactions) => commitGroup(state, reserve, transactions),
    compact(revision) {
      // One after the other: each goes on where the last one stopped.
      compaction = compaction
        .catch(() => {})
        .then(() =>
          closed
            ? undefined
            : compact(state, revision, () => closed).catch((error) => Promise.reject(storeErrorOf(error, path))),
        )
      return compaction
    },
    prepareReserve: () => void reserve.refill(),
    close() {
      closed = true
      state.close()
    },
  }
}
