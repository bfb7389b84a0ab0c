import type { ResourceDefinition } from '../../../api/definition.ts'
import { NAMESPACE } from '../../../api/definitions/namespace.ts'
import type { Companion } from '../admission.ts'
import type { ResourceCache } from '../cache/resource-cache.ts'
import { storageKey } from '../request-info.ts'

/**
 * For a write that changes the rules by which others are admitted: creates are bound to the version of their namespace,
 * so it writes that anew, as it is. Whoever is deciding on a create by the old rules, here or at another API server that
 * has not heard of the new ones, decides once more.
 */
export function announceInNamespace(
  cacheOf: (definition: ResourceDefinition) => ResourceCache,
  namespace: string,
): readonly Companion[] {
  const stored = cacheOf(NAMESPACE).get(storageKey(NAMESPACE, '', namespace))
  return stored === undefined ? [] : [{ definition: NAMESPACE, object: stored.object, stored }]
}
