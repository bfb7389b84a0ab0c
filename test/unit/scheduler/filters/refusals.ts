import type { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import type { PodInfo } from '../../../../src/controlplane/scheduler/cluster/pod-info.ts'
import type { Filter } from '../../../../src/controlplane/scheduler/filters/filter.ts'

/** By node: what a filter has against it. Nodes that it lets pass are missing. */
export function refusals(
  filter: Filter,
  pod: PodInfo,
  state: ClusterState,
): Readonly<Record<string, readonly string[]>> {
  const check = filter.prepare(pod, state)
  if (check === undefined) return {}
  const refused: Record<string, readonly string[]> = {}
  for (const node of state.nodes) {
    const refusal = check(node)
    if (refusal !== undefined) refused[node.name] = refusal.reasons
  }
  return refused
}

/** The names of nodes that a filter refuses, in order. */
export function refusedNodes(filter: Filter, pod: PodInfo, state: ClusterState): readonly string[] {
  return Object.keys(refusals(filter, pod, state)).sort()
}
