import type { ClusterState } from './cluster/cluster-state.ts'
import type { NodeInfo } from './cluster/node-info.ts'
import type { PodInfo } from './cluster/pod-info.ts'
import { withGuests } from './cluster/what-if.ts'
import { FILTERS } from './filters/all-filters.ts'
import type { Filter, NodeCheck, Refusal } from './filters/filter.ts'

/** A node that cannot take the pod, and the name of the filter that said so. */
export interface RefusedNode {
  readonly node: NodeInfo
  readonly filter: string
  readonly refusal: Refusal
}

/** A filter made ready for a pod; void once a pod has moved that the filter minds. */
export interface ReadyFilter {
  readonly name: string
  readonly check: NodeCheck
}

/** Those of some filters that have anything to say about a pod, in the order in which they are asked. */
export function readyFilters(
  pod: PodInfo,
  state: ClusterState,
  filters: readonly Filter[] = FILTERS,
): readonly ReadyFilter[] {
  const ready: ReadyFilter[] = []
  for (const { name, prepare } of filters) {
    const check = prepare(pod, state)
    if (check !== undefined) ready.push({ name, check })
  }
  return ready
}

/**
 * The first filter that refuses a node, if any. Pods that were promised room there come first: the pod has to fit with
 * and without them, since it is not certain that they will come.
 */
export function refusalOf(
  pod: PodInfo,
  node: NodeInfo,
  ready: readonly ReadyFilter[],
  state: ClusterState,
): RefusedNode | undefined {
  const promised = state.nominations.before(pod, node.name)
  if (promised.length > 0) {
    const refused = withGuests(state, node, promised, () => firstRefusal(node, readyFilters(pod, state)))
    if (refused !== undefined) return refused
  }
  return firstRefusal(node, ready)
}

function firstRefusal(node: NodeInfo, ready: readonly ReadyFilter[]): RefusedNode | undefined {
  for (const { name, check } of ready) {
    const refusal = check(node)
    if (refusal !== undefined) return { node, filter: name, refusal }
  }
  return undefined
}
