import type { ClusterState } from './cluster-state.ts'
import type { EligibleDomains } from './eligible-domains.ts'
import type { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'
import type { PodTally } from './pod-tally.ts'
import type { SpreadConstraint } from './spread-constraint.ts'
import { toleratesAll } from './tolerates.ts'
import { NO_DOMAIN, type TopologyColumn } from './topology-column.ts'

/** What one spread constraint counts. */
export interface SpreadCount {
  readonly topology: TopologyColumn
  /** Selected pods of each domain that has any. */
  readonly counts: ReadonlyMap<number, number>
  readonly eligible: EligibleDomains
  /** Selected pods on every node, eligible or not. */
  readonly tally: PodTally
}

/** What a node must be to count, beside having the constraint's own key, and a text that names it; undefined: nothing. */
function eligibility(
  { topologyKey, honorsAffinity, honorsTaints }: SpreadConstraint,
  pod: PodInfo,
  keys: readonly string[],
): { readonly text: string; readonly counts: (node: NodeInfo) => boolean } | undefined {
  const others = keys.filter((key) => key !== topologyKey)
  const match = honorsAffinity ? pod.nodeMatch : undefined
  if (others.length === 0 && match === undefined && !honorsTaints) return undefined
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
  const topology = state.topology(constraint.topologyKey)
  const tally = state.tallySelected(pod.namespace, constraint.selector)
  const rule = eligibility(constraint, pod, keys)
  const eligible =
    rule === undefined ? { count: topology.size, isAll: true } : state.eligibleDomains(topology, rule.text, rule.counts)
  if (rule === undefined || eligible.isAll) return { topology, counts: tally.byDomain(topology), eligible, tally }
  const counts = new Map<number, number>()
  for (const [node, count] of tally.byNode) {
    const domain = topology.domainOf(node)
    if (domain !== NO_DOMAIN && rule.counts(node)) counts.set(domain, (counts.get(domain) ?? 0) + count)
  }
  return { topology, counts, eligible, tally }
}
