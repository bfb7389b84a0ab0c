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
    const found = await store.get(KEY)
    if (found !== undefined) return checkMark(Buffer.from(found.value).toString(), mark)
    const value = Buffer.from(JSON.stringify(mark))
    const { ok } = await store.commit({
      expect: [{ key: KEY, modRevision: 0n }],
      puts: [{ key: KEY, value }],
      deletes: [],
    })
    if (ok) return
  }
}

function checkMark(text: string, mark: ClusterMark): void {
  const found = JSON.parse(text) as ClusterMark
  if (found.ca === mark.ca && found.range === mark.range) return
  throw new StoreError(
    'locked',
    `the store belongs to another cluster, "${found.name}" on ${found.range}${found.ca === mark.ca ? '' : ', with a CA of its own'}; give this one keys of its own with --store-prefix, or put back the data directory that the store was filled from`,
  )
}
