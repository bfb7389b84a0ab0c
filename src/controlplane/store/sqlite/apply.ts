import type { Revision } from '../store.ts'
import type { EngineState } from './engine-state.ts'
import { entryId, entrySum, revisionOf } from './entry.ts'

/** A transaction as the engine takes it; see `StoreTransaction`. */
export interface EngineTransaction {
  readonly expect: readonly (readonly [key: string, modRevision: Revision])[]
  readonly puts: readonly (readonly [key: string, value: Uint8Array])[]
  readonly deletes: readonly string[]
}

export interface Applied {
  readonly ok: boolean
  readonly revision: Revision
  /** For each put, the revision that made its key. */
  readonly created: readonly Revision[]
  /** For each deletion, whether there was something to delete. */
  readonly deleted: readonly boolean[]
}

interface Head {
  readonly modRevision: Revision
  readonly created: Revision
}

const PAGE_BYTES = 4_096
/** Pages of an entry beside its value's: the index, the leaf it goes to. */
const PAGES_PER_ENTRY = 2

/** Applies one transaction inside an open SQLite transaction; moves `state.revision` when it changed anything. */
export function apply(state: EngineState, transaction: EngineTransaction): Applied {
  const heads = new Map<string, Head | undefined>()
  const headOf = (key: string): Head | undefined => {
    if (heads.has(key)) return heads.get(key)
    const head = readHead(state, key)
    heads.set(key, head)
    return head
  }
  for (const [key, modRevision] of transaction.expect) {
    if ((headOf(key)?.modRevision ?? 0n) !== modRevision) {
      return { ok: false, revision: state.revision, created: [], deleted: [] }
    }
  }
  const revision = state.revision + 1n
  let number = 0
  const insert = (key: string, created: Revision, value: Uint8Array | null): void => {
    const id = entryId(revision, number++)
    state.statements.insert.run(id, key, created, entrySum(id, key, created, value), value)
    state.logPages += PAGES_PER_ENTRY + Math.ceil((value?.byteLength ?? 0) / PAGE_BYTES)
  }
  const created = transaction.puts.map(([key, value]) => {
    const since = headOf(key)?.created ?? revision
    insert(key, since, value)
    return since
  })
  const deleted = transaction.deletes.map((key) => {
    const head = headOf(key)
    if (head !== undefined) insert(key, head.created, null)
    return head !== undefined
  })
  if (number > 0) state.revision = revision
  return { ok: true, revision: state.revision, created, deleted }
}

function readHead(state: EngineState, key: string): Head | undefined {
  const row = state.statements.head.get(key) as
    | { readonly id: bigint; readonly created: bigint; readonly gone: bigint }
    | undefined
  return row === undefined || row.gone === 1n ? undefined : { modRevision: revisionOf(row.id), created: row.created }
}
