import type { KeyValue, Revision } from '../../store/store.ts'
import type { ResourceCache } from './resource-cache.ts'

/**
 * Whether a copy differs from what the store held at `revision`. What changed later says nothing and is left out; so is
 * everything when the copy no longer knows what changed.
 */
export function differsFrom(
  cache: ResourceCache,
  stored: readonly Pick<KeyValue, 'key' | 'modRevision'>[],
  revision: Revision,
): boolean {
  const later = cache.since(revision)
  if (later === undefined) return false
  const moved = new Set(later.map(({ current }) => current.key))
  let expected = 0
  for (const { key, modRevision } of stored) {
    if (moved.has(key)) continue
    if (cache.get(key)?.revision !== modRevision) return true
    expected += 1
  }
  let held = cache.size
  for (const key of moved) if (cache.get(key) !== undefined) held -= 1
  return held !== expected
}
