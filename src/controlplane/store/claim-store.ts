import { type Store, StoreError } from './store.ts'

/** Not a resource: nobody's watch cache holds it. */
const KEY = '/registry/wherry.dev/cluster'

/** What all control planes of one cluster have in common, and no two clusters. */
export interface ClusterMark {
  readonly name: string
  /** Its range of addresses, `127.N.0.0/16`. */
  readonly range: string
  /** SHA-256 of the CA certificate, hexadecimal. */
  readonly ca: string
}

/**
 * Marks a shared store as this cluster's, or finds that it is. Two clusters on the same keys would each end what the
 * other one runs. Rejects with StoreError `locked` when it is another one's, with a sentence for the user.
 */
export async function claimStore(store: Store, mark: ClusterMark): Promise<void> {
  for (;;) {
    const found = await readMark(store)
    if (found !== undefined) return checkMark(found, mark)
    const value = Buffer.from(JSON.stringify(mark))
    const { ok } = await store.commit({
      expect: [{ key: KEY, modRevision: 0n }],
      puts: [{ key: KEY, value }],
      deletes: [],
    })
    if (ok) return
  }
}

/** Which cluster a shared store belongs to; undefined when it is nobody's. */
export async function readMark(store: Store): Promise<ClusterMark | undefined> {
  const found = await store.get(KEY)
  return found === undefined ? undefined : JSON.parse(Buffer.from(found.value).toString())
}

/** Throws StoreError `locked` unless the mark found in a store is this cluster's. */
export function checkMark(found: ClusterMark, mark: ClusterMark): void {
  if (found.ca === mark.ca && found.range === mark.range) return
  throw new StoreError(
    'locked',
    `the store belongs to another cluster, "${found.name}" on ${found.range}${found.ca === mark.ca ? '' : ', with a CA of its own'}; give this one keys of its own with --store-prefix, put back the data directory that the store was filled from, or join it with: wherry server --join --token-file`,
  )
}
