import { findCondition } from '../../../api/conditions.ts'
import type { PodDisruptionBudget } from '../../../api/types/policy-v1.gen.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import type { Refused } from '../decide.ts'
import { notAvailable } from '../unschedulable-message.ts'
import { bestCandidate } from './best-candidate.ts'
import { type Candidate, selectVictims } from './select-victims.ts'

/** As many nodes are looked at as give this many candidates, or a tenth of those that might. */
const CANDIDATES_MIN = 100

export type PreemptionPlan =
  | Candidate
  /** Nothing is taken away; `message` says why. A promise that was made before stands or falls. */
  | { readonly kind: 'none'; readonly message: string; readonly keepsPromise: boolean }

/**
 * Chooses pods to take away so that a pod which no node can take gets a place, as kube-scheduler's DefaultPreemption
 * does. Pure: the state is as before when this returns. `random` in [0, 1) chooses where to begin looking.
 */
export function planPreemption(
  pod: PodInfo,
  { refused, nodeCount }: Refused,
  state: ClusterState,
  budgets: readonly PodDisruptionBudget[],
  random: () => number,
): PreemptionPlan {
  if (pod.pod.spec?.preemptionPolicy === 'Never') return ineligible('preemptionPolicy=Never')
  if (isRoomBeingMade(pod, refused, state)) return ineligible('a terminating pod on the nominated node')
  const curable = refused.filter(({ refusal }) => refusal.isCurable).map(({ node }) => node)
  const { candidates, reasons } = findCandidates(pod, curable, state, budgets, random)
  const best = bestCandidate(candidates)
  if (best !== undefined) return best
  const helpless = Array.from({ length: nodeCount - curable.length }, () => 'Preemption is not helpful for scheduling')
  return { kind: 'none', message: notAvailable(nodeCount, [...reasons, ...helpless]), keepsPromise: false }
}

function ineligible(why: string): PreemptionPlan {
  return { kind: 'none', message: `not eligible due to ${why}.`, keepsPromise: true }
}

/** Pods that were taken away for this one are still ending on the node that it was promised. */
function isRoomBeingMade(pod: PodInfo, refused: Refused['refused'], state: ClusterState): boolean {
  const promised = state.node(state.nominations.nodeOf(pod.key) ?? '')
  if (promised === undefined) return false
  if (refused.find(({ node }) => node === promised)?.refusal.isCurable === false) return false
  return [...promised.pods.values()].some(
    (other) => other.priority < pod.priority && other.isTerminating && isPreempted(other),
  )
}

function isPreempted({ pod }: PodInfo): boolean {
  const condition = findCondition(pod.status?.conditions, 'DisruptionTarget')
  return condition?.status === 'True' && condition.reason === 'PreemptionByScheduler'
}

function findCandidates(
  pod: PodInfo,
  nodes: readonly NodeInfo[],
  state: ClusterState,
  budgets: readonly PodDisruptionBudget[],
  random: () => number,
): { readonly candidates: readonly Candidate[]; readonly reasons: readonly string[] } {
  const enough = Math.max(CANDIDATES_MIN, Math.trunc(nodes.length / 10))
  const offset = Math.floor(random() * nodes.length)
  const candidates: Candidate[] = []
  const reasons: string[] = []
  let withoutViolation = 0
  for (let i = 0; i < nodes.length; i++) {
    const found = selectVictims(pod, nodes[(offset + i) % nodes.length]!, state, budgets)
    if (found.kind === 'none') reasons.push(...found.reasons)
    else {
      candidates.push(found)
      if (found.violations === 0) withoutViolation += 1
      if (withoutViolation > 0 && candidates.length >= enough) break
    }
  }
  return { candidates, reasons }
}
