import type { PodDisruptionBudget } from '../../../api/types/policy-v1.gen.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import { readyFilters, refusalOf } from '../run-filters.ts'
import { byImportance } from './importance.ts'
import { splitByBudget } from './split-by-budget.ts'

/** A node, and the pods to take away from it. */
export interface Candidate {
  readonly kind: 'candidate'
  readonly node: NodeInfo
  /** The most important first; never empty. */
  readonly victims: readonly PodInfo[]
  /** How many of them a disruption budget would have kept. */
  readonly violations: number
}

/** Why taking pods away from a node does not help. */
export interface NoVictims {
  readonly kind: 'none'
  readonly reasons: readonly string[]
}

const NOBODY: NoVictims = { kind: 'none', reasons: ['No preemption victims found for incoming pod'] }

/**
 * The pods of lower priority without which the pod fits on a node: first all are taken away, then as many as possible
 * come back, those that budgets protect and important ones first. The state is as before when this returns.
 */
export function selectVictims(
  pod: PodInfo,
  node: NodeInfo,
  state: ClusterState,
  budgets: readonly PodDisruptionBudget[],
): Candidate | NoVictims {
  const lower = [...node.pods.values()].filter(({ priority }) => priority < pod.priority)
  if (lower.length === 0) return NOBODY
  const away = new Set(lower)
  const { take, putBack } = movers(pod, node, state)
  const refused = () => refusalOf(pod, node, readyFilters(pod, state), state)?.refusal
  for (const victim of lower) take(victim)
  try {
    const refusal = refused()
    if (refusal !== undefined) return { kind: 'none', reasons: refusal.reasons }
    const { violating, allowed } = splitByBudget(lower.toSorted(byImportance), budgets)
    const victims: PodInfo[] = []
    const stays = (victim: PodInfo): boolean => {
      putBack(victim)
      away.delete(victim)
      if (refused() === undefined) return true
      take(victim)
      away.add(victim)
      victims.push(victim)
      return false
    }
    const violations = violating.filter((victim) => !stays(victim)).length
    for (const victim of allowed) stays(victim)
    return { kind: 'candidate', node, victims: victims.sort(byImportance), violations }
  } finally {
    for (const victim of away) putBack(victim)
  }
}

/**
 * Ways to take a pod from the node and to put it back. Where nothing that the pod asks for depends on other nodes, the
 * node's own sums are all that has to change.
 */
function movers(
  pod: PodInfo,
  node: NodeInfo,
  state: ClusterState,
): { readonly take: (victim: PodInfo) => void; readonly putBack: (victim: PodInfo) => void } {
  const looksAround =
    readyFilters(pod, state).some((filter) => filter.looksAround) || state.nominations.on(node.name).length > 0
  return looksAround
    ? { take: ({ key }) => void state.removePod(key), putBack: (victim) => state.setPod(victim, node.name) }
    : { take: ({ key }) => void node.removePod(key), putBack: (victim) => node.addPod(victim) }
}
