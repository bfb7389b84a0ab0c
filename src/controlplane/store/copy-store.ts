import type { KeyValue, Put, Revision, Store } from './store.ts'

/** Everything a cluster keeps. */
const ROOT = '/registry/'
const PAGE = 500
/** etcd takes 128 keys and 1.5 MiB in one transaction unless it is told otherwise. */
const BATCH_KEYS = 100
const BATCH_BYTES = 1024 * 1024

export interface CopyProgress {
  readonly done: number
  readonly total: number
}

/** All keys as of one revision, in order. */
async function* everything(store: Store, revision: Revision): AsyncGenerator<KeyValue> {
  let after: string | undefined
  for (;;) {
    const page = await store.list(ROOT, { revision, limit: PAGE, ...(after === undefined ? {} : { after }) })
    yield* page.items
    if (!page.more) return
    after = page.items.at(-1)!.key
  }
}

/** How many keys a store holds, and at which revision. */
export async function countKeys(store: Store): Promise<{ readonly count: number; readonly revision: Revision }> {
  const { items, remaining, revision } = await store.list(ROOT, { limit: 1 })
  return { count: items.length + remaining, revision }
}

/** Deletes all keys, so that what is copied stands alone. */
export async function emptyStore(store: Store): Promise<void> {
  for (;;) {
    const { items, more } = await store.list(ROOT, { limit: BATCH_KEYS })
    if (items.length > 0) await store.commit({ expect: [], puts: [], deletes: items.map(({ key }) => key) })
    if (!more) return
  }
}

/**
 * Copies every key and value, byte for byte, into an empty store, reads all of it back and compares. Afterwards the
 * target's history begins here: a watcher that asks for an earlier revision is told to list anew. Nobody else may write
 * to either store meanwhile. Rejects with StoreError, or Error when the copy differs.
 */
export async function copyStore(
  from: Store,
  to: Store,
  onProgress: (progress: CopyProgress) => void,
): Promise<{ readonly count: number }> {
  const { count: total, revision } = await countKeys(from)
  let batch: Put[] = []
  let bytes = 0
  let done = 0
  const write = async (): Promise<void> => {
    if (batch.length === 0) return
    const expect = batch.map(({ key }) => ({ key, modRevision: 0n }))
    const { ok } = await to.commit({ expect, puts: batch, deletes: [] })
    if (!ok) throw new Error('somebody else writes to the target; end that first')
    done += batch.length
    batch = []
    bytes = 0
    onProgress({ done, total })
  }
  for await (const { key, value } of everything(from, revision)) {
    if (batch.length >= BATCH_KEYS || bytes + value.byteLength > BATCH_BYTES) await write()
    batch.push({ key, value })
    bytes += value.byteLength
  }
  await write()
  await compare(from, revision, to)
  await to.compact(await to.currentRevision())
  return { count: done }
}

async function compare(from: Store, revision: Revision, to: Store): Promise<void> {
  const copied = everything(to, await to.currentRevision())
  for await (const { key, value } of everything(from, revision)) {
    const { value: copy } = await copied.next()
    if (copy === undefined || copy.key !== key || Buffer.compare(copy.value, value) !== 0)
      throw new Error(`the copy differs from the original at ${key}; somebody else may write to one of the two`)
  }
  const { done } = await copied.next()
  if (done !== true) throw new Error('the copy holds more than the original; somebody else may write to it')
}
