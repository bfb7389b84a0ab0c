import type { DeleteParameters } from '../../../client/client.ts'
import {
  deletesDependents,
  FOREGROUND_FINALIZER,
  type GraphNode,
  mayOwn,
  ORPHAN_FINALIZER,
  orphansDependents,
} from './owner-graph.ts'

/**
 * What became of an owner: it is there; it is verifiably gone; it waits for this dependent to be deleted; or it cannot
 * be told (an unknown kind, a reference across namespaces), which never leads to a deletion.
 */
export type OwnerState = 'present' | 'gone' | 'waiting' | 'unknown'

export type CollectionAction =
  | {
      readonly kind: 'delete'
      readonly policy: NonNullable<DeleteParameters['propagationPolicy']>
      readonly why: string
    }
  | { readonly kind: 'dropOwners'; readonly uids: readonly string[]; readonly why: string }
  /** Its references no longer keep its owners waiting. */
  | { readonly kind: 'unblockOwners'; readonly why: string }
  | { readonly kind: 'removeFinalizer'; readonly finalizer: string; readonly why: string }
  | { readonly kind: 'collectDependents'; readonly dependents: readonly GraphNode[]; readonly why: string }
  | { readonly kind: 'orphanDependents'; readonly dependents: readonly GraphNode[]; readonly why: string }

/** Dependents whose owner may not go before them. Nothing waits for itself. */
function blocking(item: GraphNode, dependents: readonly GraphNode[]): readonly GraphNode[] {
  return dependents.filter(
    (dependent) =>
      dependent.uid !== item.uid &&
      dependent.owners.some(({ uid, blockOwnerDeletion }) => uid === item.uid && blockOwnerDeletion === true),
  )
}

function planDeleting(item: GraphNode, dependents: readonly GraphNode[]): readonly CollectionAction[] {
  if (orphansDependents(item)) {
    const finish: CollectionAction = {
      kind: 'removeFinalizer',
      finalizer: ORPHAN_FINALIZER,
      why: 'it has no dependents',
    }
    return dependents.length === 0
      ? [finish]
      : [{ kind: 'orphanDependents', dependents, why: 'its deletion leaves dependents behind' }, finish]
  }
  if (!deletesDependents(item)) return []
  const waitsFor = blocking(item, dependents)
  if (waitsFor.length === 0) {
    return [{ kind: 'removeFinalizer', finalizer: FOREGROUND_FINALIZER, why: 'no dependent blocks its deletion' }]
  }
  return [{ kind: 'collectDependents', dependents: waitsFor, why: 'dependents block its deletion' }]
}

function policyOf(item: GraphNode): NonNullable<DeleteParameters['propagationPolicy']> {
  if (item.finalizers.includes(ORPHAN_FINALIZER)) return 'Orphan'
  return item.finalizers.includes(FOREGROUND_FINALIZER) ? 'Foreground' : 'Background'
}

/**
 * What to do about one object as it is on the server right now. It is deleted only when every owner it names is
 * verifiably gone or waits for it; with one owner left it only loses the references to the others.
 */
export function planCollection(
  item: GraphNode,
  ownerStates: ReadonlyMap<string, OwnerState>,
  dependents: readonly GraphNode[],
): { readonly actions: readonly CollectionAction[] } {
  const mine = dependents.filter((dependent) => mayOwn(item, dependent))
  if (item.deleting) return { actions: planDeleting(item, mine) }
  const uidsIn = (...states: readonly OwnerState[]): readonly string[] =>
    item.owners.map(({ uid }) => uid).filter((uid) => states.includes(ownerStates.get(uid) ?? 'unknown'))
  const removable = uidsIn('gone', 'waiting')
  if (removable.length === 0) return { actions: [] }
  if (uidsIn('present', 'unknown').length > 0) {
    return { actions: [{ kind: 'dropOwners', uids: removable, why: 'other owners remain' }] }
  }
  if (uidsIn('waiting').length > 0 && mine.length > 0) {
    const remove: CollectionAction = {
      kind: 'delete',
      policy: 'Foreground',
      why: 'its owner waits for it and its dependents',
    }
    // Its owner may be among those that wait for their own dependents: in a circle all would wait for ever.
    const circular = mine.some(deletesDependents) && item.owners.some(({ blockOwnerDeletion }) => blockOwnerDeletion)
    if (!circular) return { actions: [remove] }
    return { actions: [{ kind: 'unblockOwners', why: 'it may wait for its owner in a circle' }, remove] }
  }
  return { actions: [{ kind: 'delete', policy: policyOf(item), why: 'none of its owners is left' }] }
}
