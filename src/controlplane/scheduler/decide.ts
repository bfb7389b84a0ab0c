import type { ClusterState } from './cluster/cluster-state.ts'
import type { NodeInfo } from './cluster/node-info.ts'
import type { PodInfo } from './cluster/pod-info.ts'
import { FILTERS } from './filters/all-filters.ts'
import type { NodeCheck, Refusal } from './filters/filter.ts'
import { nodesToFind } from './nodes-to-find.ts'
import { SCORES } from './scores/all-scores.ts'

/** A node that cannot take the pod, and the name of the filter that said so. */
export interface RefusedNode {
  readonly node: NodeInfo
  readonly filter: string
  readonly refusal: Refusal
}

export type Decision =
  | { readonly kind: 'place'; readonly node: NodeInfo; readonly nextStart: number }
  | { readonly kind: 'wait'; readonly refused: readonly RefusedNode[]; readonly nodeCount: number }

export interface DecisionOptions {
  /** Where to begin looking, so that all nodes get their turn; what the last decision gave as `nextStart`. */
  readonly start: number
  /** In [0, 1): chooses among equals. */
  readonly random: () => number
}

interface NamedCheck {
  readonly name: string
  readonly check: NodeCheck
}

/**
 * Chooses a node for a pod, or says why there is none. Looks at as many nodes as `nodesToFind` asks for, beginning at
 * `start`; of those that pass every filter the one with the best weighted sum of scores is taken, and chance decides
 * among equals. Pure: the same state, start and random numbers give the same decision.
 */
export function decide(pod: PodInfo, state: ClusterState, { start, random }: DecisionOptions): Decision {
  const nodes = state.nodes
  const checks = FILTERS.map(({ name, prepare }) => ({ name, check: prepare(pod, state) })).filter(
    (prepared): prepared is NamedCheck => prepared.check !== undefined,
  )
  if (pod.namedNodes !== undefined) return decideAmongNamed(pod, pod.namedNodes, checks, state, { start, random })
  const enough = nodesToFind(nodes.length)
  const feasible: NodeInfo[] = []
  const refused: RefusedNode[] = []
  let looked = 0
  for (; looked < nodes.length && feasible.length < enough; looked++) {
    const node = nodes[(start + looked) % nodes.length]!
    const refusal = refusalOf(node, checks)
    if (refusal === undefined) feasible.push(node)
    else refused.push(refusal)
  }
  if (feasible.length === 0) return { kind: 'wait', refused, nodeCount: nodes.length }
  return { kind: 'place', node: best(pod, feasible, state, random), nextStart: (start + looked) % nodes.length }
}

/** Only the named nodes are looked at; the others need no reason of their own. */
function decideAmongNamed(
  pod: PodInfo,
  names: ReadonlySet<string>,
  checks: readonly NamedCheck[],
  state: ClusterState,
  { start, random }: DecisionOptions,
): Decision {
  const feasible: NodeInfo[] = []
  const refused: RefusedNode[] = []
  for (const name of names) {
    const node = state.node(name)
    if (node === undefined) continue
    const refusal = refusalOf(node, checks)
    if (refusal === undefined) feasible.push(node)
    else refused.push(refusal)
  }
  if (feasible.length === 0) return { kind: 'wait', refused, nodeCount: state.nodes.length }
  return { kind: 'place', node: best(pod, feasible, state, random), nextStart: start }
}

function refusalOf(node: NodeInfo, checks: readonly NamedCheck[]): RefusedNode | undefined {
  for (const { name, check } of checks) {
    const refusal = check(node)
    if (refusal !== undefined) return { node, filter: name, refusal }
  }
  return undefined
}

function best(pod: PodInfo, feasible: readonly NodeInfo[], state: ClusterState, random: () => number): NodeInfo {
  if (feasible.length === 1) return feasible[0]!
  const totals = new Float64Array(feasible.length)
  const scores = new Float64Array(feasible.length)
  for (const score of SCORES) {
    if (score.rate(pod, feasible, state, scores) === undefined) continue
    for (let i = 0; i < totals.length; i++) totals[i]! += score.weight * scores[i]!
  }
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
