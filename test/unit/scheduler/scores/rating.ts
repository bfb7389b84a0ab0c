import type { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import type { PodInfo } from '../../../../src/controlplane/scheduler/cluster/pod-info.ts'
import type { Score } from '../../../../src/controlplane/scheduler/scores/score.ts'

/** What a score gives to nodes, by name; undefined when it says nothing. Only the named nodes can take the pod. */
export function rating(
  score: Score,
  pod: PodInfo,
  state: ClusterState,
  names: readonly string[] = state.nodes.map(({ name }) => name),
): Readonly<Record<string, number>> | undefined {
  const nodes = names.map((name) => state.node(name)!)
  const scores = new Float64Array(nodes.length).fill(Number.NaN)
  if (!score.rate(pod, nodes, state, scores)) return undefined
  return Object.fromEntries(nodes.map(({ name }, i) => [name, scores[i]!]))
}
