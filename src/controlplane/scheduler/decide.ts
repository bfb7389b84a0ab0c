import type { ClusterState } from './cluster/cluster-state.ts'
import type { NodeInfo } from './cluster/node-info.ts'
import type { PodInfo } from './cluster/pod-info.ts'
import { nodesToFind } from './nodes-to-find.ts'
import { type ReadyFilter, type RefusedNode, readyFilters, refusalOf } from './run-filters.ts'
import { SCORES } from './scores/all-scores.ts'

export type Decision = { readonly kind: 'place'; readonly node: NodeInfo; readonly nextStart: number } | Refused

/** No node can take the pod. */
export interface Refused {
  readonly kind: 'wait'
  /** Nodes that were looked at. When these are fewer than there are, the pod names the only ones it wants. */
  readonly refused: readonly RefusedNode[]
  readonly nodeCount: number
  /** Why no node needed to be looked at. */
  readonly outright: string | undefined
  readonly nextStart: number
}

export interface DecisionOptions {
  /** Where to begin looking, so that all nodes get their turn; what the last decision gave as `nextStart`. */
  readonly start: number
  /** In [0, 1): chooses among equals. */
  readonly random: () => number
}

/**
 * Chooses a node for a pod, or says why there is none. A node on which room was made for the pod is taken if it can
 * take it. Otherwise as many nodes are looked at as `nodesToFind` asks for, beginning at `start`; of those that pass
 * every filter the one with the best weighted sum of scores is taken, and chance decides among equals. Pure: the same
 * state, start and random numbers give the same decision.
 */
export function decide(pod: PodInfo, state: ClusterState, { start, random }: DecisionOptions): Decision {
  const nodes = candidates(pod, state)
  const nodeCount = state.nodes.length
  if (pod.namedNodes?.size === 0) {
    return { kind: 'wait', refused: [], nodeCount, outright: 'pod affinity terms conflict', nextStart: start }
  }
  const ready = readyFilters(pod, state)
  const promised = state.node(state.nominations.nodeOf(pod.key) ?? '')
  if (promised !== undefined && refusalOf(pod, promised, ready, state) === undefined) {
    return { kind: 'place', node: promised, nextStart: start }
  }
  const { feasible, refused } = findFeasible(pod, nodes, ready, state, start)
  const nextStart = nodeCount === 0 ? 0 : (start + feasible.length + refused.length) % nodeCount
  if (feasible.length === 0) return { kind: 'wait', refused, nodeCount, outright: undefined, nextStart }
  return { kind: 'place', node: best(pod, feasible, state, random), nextStart }
}

/** A pod that names the only nodes it wants is not tried on others. */
function candidates({ namedNodes }: PodInfo, state: ClusterState): readonly NodeInfo[] {
  if (namedNodes === undefined) return state.nodes
  return [...namedNodes].map((name) => state.node(name)).filter((node) => node !== undefined)
}

function findFeasible(
  pod: PodInfo,
  nodes: readonly NodeInfo[],
  ready: readonly ReadyFilter[],
  state: ClusterState,
  start: number,
): { readonly feasible: readonly NodeInfo[]; readonly refused: readonly RefusedNode[] } {
  const enough = nodesToFind(nodes.length)
  const feasible: NodeInfo[] = []
  const refused: RefusedNode[] = []
  for (let looked = 0; looked < nodes.length && feasible.length < enough; looked++) {
    const node = nodes[(start + looked) % nodes.length]!
    const refusal = refusalOf(pod, node, ready, state)
    if (refusal === undefined) feasible.push(node)
    else refused.push(refusal)
  }
  return { feasible, refused }
}

function best(pod: PodInfo, feasible: readonly NodeInfo[], state: ClusterState, random: () => number): NodeInfo {
  if (feasible.length === 1) return feasible[0]!
  const totals = totalScores(pod, feasible, state)
  let most = Number.NEGATIVE_INFINITY
  let equals: NodeInfo[] = []
  for (let i = 0; i < totals.length; i++) {
    if (totals[i]! < most) continue
    if (totals[i]! > most) {
      most = totals[i]!
      equals = []
    }
    equals.push(feasible[i]!)
  }
  return equals[Math.floor(random() * equals.length)]!
}

/** The weighted sum of all scores of each node, without what is the same for all of them. */
export function totalScores(pod: PodInfo, nodes: readonly NodeInfo[], state: ClusterState): Float64Array {
  const totals = new Float64Array(nodes.length)
  const scores = new Float64Array(nodes.length)
  for (const { weight, rate } of SCORES) {
    if (!rate(pod, nodes, state, scores)) continue
    for (let i = 0; i < totals.length; i++) totals[i]! += weight * scores[i]!
  }
  return totals
}
