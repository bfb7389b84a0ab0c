import type { Clock } from '../../base/clock.ts'
import type { Store, StoreTransaction } from './store.ts'
import type { StoreMetrics, StoreOperation } from './store-metrics.ts'

/** What a commit is told as: as its first write, which is the object that was asked for. */
function operationOf({ expect, puts, deletes }: StoreTransaction): readonly [StoreOperation, string] {
  const [put] = puts
  if (put === undefined) return ['delete', deletes[0] ?? '']
  const isNew = expect.some(({ key, modRevision }) => key === put.key && modRevision === 0n)
  return [isNew ? 'create' : 'update', put.key]
}

/** The same store, of which it is known how often it was asked for what and how long that took. Watches are not timed. */
export function measuredStore(store: Store, clock: Clock, metrics: StoreMetrics): Store {
  const timed = async <T>(operation: StoreOperation, key: string, run: () => Promise<T>): Promise<T> => {
    const began = clock.monotonic()
    try {
      const result = await run()
      metrics.record(operation, key, clock.monotonic() - began, false)
      return result
    } catch (error) {
      metrics.record(operation, key, clock.monotonic() - began, true)
      throw error
    }
  }
  return {
    get: (key) => timed('get', key, () => store.get(key)),
    list: (prefix, options) => timed('list', prefix, () => store.list(prefix, options)),
    commit: (transaction) => timed(...operationOf(transaction), () => store.commit(transaction)),
    watch: (prefix, from, signal) => store.watch(prefix, from, signal),
    compact: (revision) => store.compact(revision),
    digest: (prefix) => store.digest(prefix),
    currentRevision: () => store.currentRevision(),
    close: () => store.close(),
  }
}
