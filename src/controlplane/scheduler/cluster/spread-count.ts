import type { ClusterState } from './cluster-state.ts'
import type { EligibleDomains } from './eligible-domains.ts'
import { labelOf } from './label-of.ts'
import type { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'
import type { PodTally } from './pod-tally.ts'
import type { SpreadConstraint } from './spread-constraint.ts'
import { toleratesAll } from './tolerates.ts'

/** What one spread constraint counts. */
export interface SpreadCount {
  /** Selected pods of each domain that has any. */
  readonly counts: ReadonlyMap<string, number>
  readonly eligible: EligibleDomains
  /** Selected pods on every node, eligible or not. */
  readonly tally: PodTally
}

/** What a node must be to count, and a text that names it; undefined when every one does. */
function eligibility(
  { topologyKey, honorsAffinity, honorsTaints }: SpreadConstraint,
  pod: PodInfo,
  keys: readonly string[],
): { readonly text: string; readonly counts: ((node: NodeInfo) => boolean) | undefined } {
  const others = keys.filter((key) => key !== topologyKey)
  const match = honorsAffinity ? pod.nodeMatch : undefined
  if (others.length === 0 && match === undefined && !honorsTaints) return { text: '', counts: undefined }
  const { nodeSelector, affinity } = pod.pod.spec ?? {}
  return {
    text: JSON.stringify([
      others,
      match === undefined
        ? null
        : [nodeSelector, affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution],
      honorsTaints ? pod.tolerations : null,
    ]),
    counts: ({ name, labels, taints }) =>
      others.every((key) => Object.hasOwn(labels, key)) &&
      (match === undefined || match(name, labels)) &&
      (!honorsTaints || toleratesAll(taints, pod.tolerations)),
  }
}

/**
 * Counts the selected pods of each domain, over nodes that the constraint's policies let count and that have all of
 * `keys`. Costs a look at the nodes with such pods, and nothing at all where every node counts.
 */
export function countSpread(
  constraint: SpreadConstraint,
  pod: PodInfo,
  state: ClusterState,
  keys: readonly string[],
): SpreadCount {
  const { topologyKey, selector } = constraint
  const tally = state.tallySelected(pod.namespace, selector)
  const { text, counts: isEligible } = eligibility(constraint, pod, keys)
  const eligible = state.eligibleDomains(topologyKey, text, isEligible)
  if (eligible.isAll || isEligible === undefined) return { counts: tally.byDomain(topologyKey), eligible, tally }
  const counts = new Map<string, number>()
  for (const [node, count] of tally.byNode) {
    const domain = labelOf(node.labels, topologyKey)
    if (domain !== undefined && isEligible(node)) counts.set(domain, (counts.get(domain) ?? 0) + count)
  }
  return { counts, eligible, tally }
}
