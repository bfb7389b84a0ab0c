import type { LabelMatcher } from '../../api/label-selector.ts'
import type { KubeObject } from '../../api/object.ts'
import type { ResourceType } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { Client } from '../../client/client.ts'
import { controllerOf, controllerReference } from './owner-references.ts'

export interface ClaimPlan<T> {
  readonly owned: readonly T[]
  /** Unmanaged objects that fit the selector. */
  readonly adopt: readonly T[]
  /** Managed ones whose labels no longer fit. */
  readonly release: readonly T[]
}

/** Which of the candidates an owner has, takes and lets go. An owner that is being deleted takes and lets go of nothing. */
export function planClaims<T extends KubeObject>(
  owner: KubeObject,
  matcher: LabelMatcher,
  candidates: readonly T[],
): ClaimPlan<T> {
  const plan = { owned: [] as T[], adopt: [] as T[], release: [] as T[] }
  const leaving = owner.metadata?.deletionTimestamp !== undefined
  for (const candidate of candidates) {
    const controller = controllerOf(candidate)
    const fits = matcher.matches(candidate.metadata?.labels)
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata?.uid) continue
      if (fits || leaving) plan.owned.push(candidate)
      else plan.release.push(candidate)
    } else if (fits && !leaving && candidate.metadata?.deletionTimestamp === undefined) plan.adopt.push(candidate)
  }
  return plan
}

const MERGE = { type: 'application/merge-patch+json' } as const

/**
 * Carries out a claim plan and returns what the owner has then. Before adopting it asks the server whether the owner is
 * still there and not being deleted; each change holds only for the version of the object that was judged.
 */
export async function applyClaims<O extends KubeObject, T extends KubeObject>(
  client: Client,
  plan: ClaimPlan<T>,
  owner: { readonly type: ResourceType<O>; readonly object: O },
  type: ResourceType<T>,
): Promise<readonly T[]> {
  const owned = [...plan.owned]
  const patch = (object: T, ownerReferences: unknown): Promise<T> => {
    const { namespace, name = '', resourceVersion, uid } = object.metadata ?? {}
    return client.patch(type, { namespace, name }, { metadata: { uid, resourceVersion, ownerReferences } }, MERGE)
  }
  for (const object of plan.release) {
    const kept = (object.metadata?.ownerReferences ?? []).filter(({ uid }) => uid !== owner.object.metadata?.uid)
    try {
      await patch(object, kept)
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }
  if (plan.adopt.length === 0) return owned
  const { namespace, name = '', uid } = owner.object.metadata ?? {}
  const fresh = await client.get(owner.type, { namespace, name })
  if (fresh.metadata?.uid !== uid || fresh.metadata?.deletionTimestamp !== undefined) return owned
  for (const object of plan.adopt) {
    const references = [
      ...(object.metadata?.ownerReferences ?? []),
      controllerReference(owner.type as ResourceType, owner.object),
    ]
    try {
      owned.push(await patch(object, references))
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }
  return owned
}
