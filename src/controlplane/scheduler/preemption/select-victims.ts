import type { PodDisruptionBudget } from '../../../api/types/policy-v1.gen.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import { byImportance } from './importance.ts'
import { splitByBudget } from './split-by-budget.ts'
import { Trial } from './trial.ts'

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
  const trial = new Trial(pod, node, state)
  for (const victim of lower) trial.take(victim)
  try {
    const refusal = trial.refusal()
    if (refusal !== undefined) return { kind: 'none', reasons: refusal.reasons }
    const { violating, allowed } = splitByBudget(lower.toSorted(byImportance), budgets)
    const victims: PodInfo[] = []
    const stays = (victim: PodInfo): boolean => {
      trial.putBack(victim)
      if (trial.refusal() === undefined) return true
      trial.take(victim)
      victims.push(victim)
      return false
    }
    const violations = violating.filter((victim) => !stays(victim)).length
    for (const victim of allowed) stays(victim)
    return { kind: 'candidate', node, victims: victims.sort(byImportance), violations }
  } finally {
    trial.end()
  }
}
