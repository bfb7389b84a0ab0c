import type { Revision } from '../../store/store.ts'
import { DigestBuilder, type StoreDigest } from '../../store/store-digest.ts'
import type { ResourceCache } from './resource-cache.ts'

/**
 * The digest of a copy as it was at `revision`: of what it holds now, with the changes since then taken back. Undefined
 * when it no longer knows them all.
 */
export function digestAsOf(cache: ResourceCache, revision: Revision): StoreDigest | undefined {
  const later = cache.since(revision)
  if (later === undefined) return undefined
  const builder = new DigestBuilder()
  for (const { key, revision: at } of cache.range(cache.prefix)) builder.add(key, at)
  for (const { type, current, previous } of later) {
    if (type !== 'DELETED') builder.remove(current.key, current.revision)
    if (previous !== undefined) builder.add(previous.key, previous.revision)
  }
  return builder.digest()
}
