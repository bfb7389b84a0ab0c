import type { KubeObject } from '../../../api/object.ts'
import type { ResourceType } from '../../../api/resource-type.ts'
import type { OwnerReference } from '../../../api/types/meta-v1.gen.ts'

export const FOREGROUND_FINALIZER = 'foregroundDeletion'
export const ORPHAN_FINALIZER = 'orphan'

/** What the collector remembers of an object. */
export interface GraphNode {
  readonly type: ResourceType
  readonly uid: string
  readonly namespace: string | undefined
  readonly name: string
  readonly owners: readonly OwnerReference[]
  readonly deleting: boolean
  readonly finalizers: readonly string[]
}

export function graphNode(type: ResourceType, { metadata }: KubeObject): GraphNode {
  return {
    type,
    uid: metadata?.uid ?? '',
    namespace: metadata?.namespace || undefined,
    name: metadata?.name ?? '',
    owners: metadata?.ownerReferences ?? [],
    deleting: metadata?.deletionTimestamp !== undefined,
    finalizers: metadata?.finalizers ?? [],
  }
}

/** It is being deleted and waits for its dependents to be deleted first. */
export function deletesDependents(node: GraphNode): boolean {
  return node.deleting && node.finalizers.includes(FOREGROUND_FINALIZER)
}

/** It is being deleted and its dependents are to be let go first. */
export function orphansDependents(node: GraphNode): boolean {
  return node.deleting && node.finalizers.includes(ORPHAN_FINALIZER)
}

/** Owners stand in the same namespace or in none; a reference across namespaces is never acted on. */
export function mayOwn(owner: GraphNode, dependent: GraphNode): boolean {
  return owner.namespace === undefined || owner.namespace === dependent.namespace
}

/** All objects by UID and, for each UID, the objects that name it as their owner, whether it is known or not. */
export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>()
  readonly #dependents = new Map<string, Set<string>>()

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid)
  }

  /** Puts an object in; returns what was known of it. */
  set(node: GraphNode): GraphNode | undefined {
    const previous = this.#nodes.get(node.uid)
    for (const { uid } of previous?.owners ?? []) this.#unlink(uid, node.uid)
    for (const { uid } of node.owners) {
      const known = this.#dependents.get(uid)
      if (known === undefined) this.#dependents.set(uid, new Set([node.uid]))
      else known.add(node.uid)
    }
    this.#nodes.set(node.uid, node)
    return previous
  }

  delete(uid: string): GraphNode | undefined {
    const node = this.#nodes.get(uid)
    if (node === undefined) return undefined
    for (const owner of node.owners) this.#unlink(owner.uid, uid)
    this.#nodes.delete(uid)
    return node
  }

  dependentsOf(uid: string): readonly GraphNode[] {
    const uids = this.#dependents.get(uid)
    return uids === undefined ? [] : [...uids].map((dependent) => this.#nodes.get(dependent)!)
  }

  #unlink(owner: string, dependent: string): void {
    const known = this.#dependents.get(owner)
    known?.delete(dependent)
    if (known?.size === 0) this.#dependents.delete(owner)
  }
}
