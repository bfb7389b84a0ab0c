import type { KubeObject } from '../../../api/object.ts'
import { apiVersionOf, type ResourceType } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import type { OwnerReference } from '../../../api/types/meta-v1.gen.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { deletesDependents, type GraphNode, graphNode, mayOwn, OwnerGraph, orphansDependents } from './owner-graph.ts'
import { type CollectionAction, type OwnerState, planCollection } from './plan-collection.ts'

const MERGE = { type: 'application/merge-patch+json' } as const

/**
 * Deletes what nothing owns any more, lets owners that are deleted in the foreground wait for their dependents, and
 * orphans dependents where a deletion asks for it. Looks at the server, not at its copies, before it deletes anything.
 */
export function startGarbageCollector(context: ControllerContext): RunningController {
  const { client } = context
  const events = context.events('garbage-collector-controller')
  const types = context.resourceTypes.filter(({ resource }) => resource !== 'events')
  const byKind = new Map(types.map((type) => [`${type.group}/${type.kind}`, type]))
  const informers = types.map((type) => ({ type, informer: context.informers.for(type) }))
  const graph = new OwnerGraph()

  const fetch = async (
    type: ResourceType,
    namespace: string | undefined,
    name: string,
  ): Promise<KubeObject | undefined> => {
    try {
      return await client.get(type, { namespace, name })
    } catch (error) {
      if (isReason(error, 'NotFound')) return undefined
      throw error
    }
  }

  const stateOf = async (item: GraphNode, reference: OwnerReference): Promise<OwnerState> => {
    const known = graph.get(reference.uid)
    if (known !== undefined) {
      if (!mayOwn(known, item)) {
        const message = `ownerRef [${reference.apiVersion}/${reference.kind}, namespace: ${item.namespace ?? ''}, name: ${reference.name}, uid: ${reference.uid}] does not exist in namespace "${item.namespace ?? ''}"`
        const { namespace, name, uid } = item
        const about = { apiVersion: apiVersionOf(item.type), kind: item.type.kind, metadata: { namespace, name, uid } }
        events.event(about, 'Warning', 'OwnerRefInvalidNamespace', message)
        return 'unknown'
      }
      // A copy that says the owner is there can only be late; its deletion will bring this object up again.
      if (!known.deleting) return 'present'
    }
    const group = reference.apiVersion.includes('/') ? reference.apiVersion.split('/')[0]! : ''
    const type = byKind.get(`${group}/${reference.kind}`)
    if (type === undefined || (type.namespaced && item.namespace === undefined)) return 'unknown'
    const owner = await fetch(type, type.namespaced ? item.namespace : undefined, reference.name)
    if (owner === undefined || owner.metadata?.uid !== reference.uid) return 'gone'
    return deletesDependents(graphNode(type, owner)) ? 'waiting' : 'present'
  }

  const dropOwners = async (object: KubeObject, type: ResourceType, uids: readonly string[]): Promise<void> => {
    const { namespace, name = '', uid, resourceVersion, ownerReferences = [] } = object.metadata ?? {}
    const kept = ownerReferences.filter((owner) => !uids.includes(owner.uid))
    if (kept.length === ownerReferences.length) return
    const patch = { metadata: { uid, resourceVersion, ownerReferences: kept.length === 0 ? null : kept } }
    await client.patch(type, { namespace, name }, patch, MERGE)
  }

  const unblockOwners = async (object: KubeObject, type: ResourceType): Promise<KubeObject> => {
    const { namespace, name = '', uid, resourceVersion, ownerReferences = [] } = object.metadata ?? {}
    const unblocked = ownerReferences.map((owner) => ({ ...owner, blockOwnerDeletion: false }))
    const patch = { metadata: { uid, resourceVersion, ownerReferences: unblocked } }
    return client.patch(type, { namespace, name }, patch, MERGE)
  }

  const orphan = async (owner: GraphNode, dependents: readonly GraphNode[]): Promise<void> => {
    for (const { type, namespace, name, uid } of dependents) {
      const object = await fetch(type, namespace, name)
      if (object?.metadata?.uid === uid) await dropOwners(object, type, [owner.uid])
    }
  }

  /** Carries out one action; returns the object as it is afterwards. */
  const apply = async (
    item: GraphNode,
    object: KubeObject,
    action: CollectionAction,
    wake: (uid: string) => void,
  ): Promise<KubeObject> => {
    const { namespace, name, uid } = item
    const { resourceVersion } = object.metadata ?? {}
    switch (action.kind) {
      case 'unblockOwners':
        return unblockOwners(object, item.type)
      case 'delete': {
        // Bound to the version that was judged: an owner that came in the meantime saves it.
        const preconditions = resourceVersion === undefined ? { uid } : { uid, resourceVersion }
        await client.delete(item.type, { namespace, name }, { propagationPolicy: action.policy, preconditions })
        return object
      }
      case 'dropOwners':
        await dropOwners(object, item.type, action.uids)
        return object
      case 'removeFinalizer': {
        const kept = (object.metadata?.finalizers ?? []).filter((finalizer) => finalizer !== action.finalizer)
        const finalizers = kept.length === 0 ? null : kept
        await client.patch(item.type, { namespace, name }, { metadata: { uid, resourceVersion, finalizers } }, MERGE)
        return object
      }
      case 'collectDependents':
        for (const dependent of action.dependents) if (!deletesDependents(dependent)) wake(dependent.uid)
        return object
      case 'orphanDependents':
        await orphan(item, action.dependents)
        return object
    }
  }

  let wake: (uid: string) => void = () => undefined

  const reconcile = async (uid: string): Promise<undefined> => {
    const known = graph.get(uid)
    if (known === undefined) return
    const object = await fetch(known.type, known.namespace, known.name)
    // Gone, or another object by now: its own event tells the rest.
    if (object === undefined || object.metadata?.uid !== uid) return
    const item = graphNode(known.type, object)
    let current = object
    const states = new Map<string, OwnerState>()
    if (!item.deleting) for (const owner of item.owners) states.set(owner.uid, await stateOf(item, owner))
    for (const action of planCollection(item, states, graph.dependentsOf(uid)).actions) {
      context.logger.debug({ kind: item.type.kind, key: item.name, action: action.kind, why: action.why }, 'collecting')
      try {
        current = await apply(item, current, action, wake)
      } catch (error) {
        if (!isReason(error, 'NotFound')) throw error
      }
    }
  }

  const onSet = (node: GraphNode): void => {
    const previous = graph.set(node)
    if (node.deleting) {
      if (deletesDependents(node) || orphansDependents(node)) wake(node.uid)
      if (deletesDependents(node)) for (const dependent of graph.dependentsOf(node.uid)) wake(dependent.uid)
    } else if (node.owners.length > 0) {
      const doubtful = node.owners.some(({ uid }) => {
        const owner = graph.get(uid)
        return owner === undefined || deletesDependents(owner) || !mayOwn(owner, node)
      })
      if (doubtful) wake(node.uid)
    }
    // An owner that waits may go on when this object no longer names it.
    for (const { uid } of previous?.owners ?? []) wakeWaiting(uid)
  }

  const wakeWaiting = (uid: string): void => {
    const owner = graph.get(uid)
    if (owner !== undefined && (deletesDependents(owner) || orphansDependents(owner))) wake(uid)
  }

  const onGone = (uid: string): void => {
    const node = graph.delete(uid)
    // Those that name it from another namespace never were its dependents.
    for (const dependent of graph.dependentsOf(uid)) if (node && mayOwn(node, dependent)) wake(dependent.uid)
    for (const owner of node?.owners ?? []) wakeWaiting(owner.uid)
  }

  return runController({
    name: 'garbage-collector',
    context,
    informers: informers.map(({ informer }) => informer),
    workers: 16,
    reconcile,
    subscribe(queue) {
      // The graph is filled first: an owner listed after its dependents is no reason to doubt it.
      for (const { type, informer } of informers)
        for (const object of informer.list()) graph.set(graphNode(type, object))
      wake = (uid) => queue.add(uid)
      return informers.map(({ type, informer }) =>
        informer.onChange((change) => {
          if (change.type === 'deleted') onGone(change.object.metadata?.uid ?? '')
          else onSet(graphNode(type, change.object))
        }),
      )
    },
  })
}
