import type { Pod, TopologySpreadConstraint } from '../../../api/types/core-v1.gen.ts'
import { type PodSelector, podSelectorOf } from './pod-selector.ts'
import { withOwnLabels } from './pod-term.ts'

export const HOSTNAME = 'kubernetes.io/hostname'
export const ZONE = 'topology.kubernetes.io/zone'

/** A topology spread constraint, made ready for counting. */
export interface SpreadConstraint {
  readonly topologyKey: string
  readonly maxSkew: number
  /** Fewer domains than this count as if one were empty. */
  readonly minDomains: number
  readonly selector: PodSelector
  /** Whether only nodes that the pod's node selector and affinity allow count; and only those whose taints it tolerates. */
  readonly honorsAffinity: boolean
  readonly honorsTaints: boolean
}

const NONE: readonly never[] = []

export function spreadConstraintsOf(
  pod: Pod,
  whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway',
): readonly SpreadConstraint[] {
  const { topologySpreadConstraints } = pod.spec ?? {}
  if (topologySpreadConstraints === undefined) return NONE
  return topologySpreadConstraints
    .filter((constraint) => constraint.whenUnsatisfiable === whenUnsatisfiable)
    .map((constraint) => spreadConstraintOf(constraint, pod))
}

function spreadConstraintOf(constraint: TopologySpreadConstraint, pod: Pod): SpreadConstraint {
  const { labelSelector, matchLabelKeys, topologyKey, maxSkew, minDomains = 1 } = constraint
  return {
    topologyKey,
    maxSkew,
    minDomains,
    selector: podSelectorOf(withOwnLabels(labelSelector, pod.metadata?.labels ?? {}, matchLabelKeys)),
    honorsAffinity: constraint.nodeAffinityPolicy !== 'Ignore',
    honorsTaints: constraint.nodeTaintsPolicy === 'Honor',
  }
}

/** What the scheduler wants of pods of one workload that say nothing themselves (kube-scheduler's system defaults). */
export function defaultSpreadConstraints(selector: PodSelector): readonly SpreadConstraint[] {
  const common = { minDomains: 1, selector, honorsAffinity: true, honorsTaints: false }
  return [
    { ...common, topologyKey: HOSTNAME, maxSkew: 3 },
    { ...common, topologyKey: ZONE, maxSkew: 5 },
  ]
}
