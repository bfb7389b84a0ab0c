import type { ClusterState } from '../cluster/cluster-state.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import type { SpreadConstraint } from '../cluster/spread-constraint.ts'
import { countSpread } from '../cluster/spread-count.ts'
import { NO_DOMAIN } from '../cluster/topology-column.ts'
import { type Filter, isRelabeled, type NodeCheck, refusal } from './filter.ts'

const TOO_SKEWED = refusal("node(s) didn't match pod topology spread constraints", true)
const NO_LABEL = refusal("node(s) didn't match pod topology spread constraints (missing required label)", false)

function prepareConstraint(
  constraint: SpreadConstraint,
  pod: PodInfo,
  state: ClusterState,
  keys: readonly string[],
): NodeCheck {
  const { maxSkew, minDomains, selector } = constraint
  const { topology, counts, eligible } = countSpread(constraint, pod, state, keys)
  // A domain without a pod, or fewer domains than there should be, makes the least 0.
  let least = 0
  if (eligible.count >= minDomains && counts.size >= eligible.count) {
    least = Number.POSITIVE_INFINITY
    for (const count of counts.values()) if (count < least) least = count
  }
  const itself = selector.matches(pod.labels) ? 1 : 0
  return (node) => {
    const domain = topology.domainOf(node)
    if (domain === NO_DOMAIN) return NO_LABEL
    return (counts.get(domain) ?? 0) + itself - least > maxSkew ? TOO_SKEWED : undefined
  }
}

function concerns({ namespace, requiredSpread }: PodInfo, other: PodInfo): boolean {
  return other.namespace === namespace && requiredSpread.some(({ selector }) => selector.matches(other.labels))
}

/** Topology spread constraints with DoNotSchedule (KEP-895, KEP-3022, KEP-3094). */
export const podTopologySpread: Filter = {
  name: 'PodTopologySpread',
  prepare(pod, state) {
    const { requiredSpread } = pod
    if (requiredSpread.length === 0) return undefined
    const keys = requiredSpread.map(({ topologyKey }) => topologyKey)
    const checks = requiredSpread.map((constraint) => prepareConstraint(constraint, pod, state, keys))
    return (node) => {
      for (const check of checks) {
        const refused = check(node)
        if (refused !== undefined) return refused
      }
      return undefined
    }
  },
  minds: concerns,
  hints: {
    podAdded: (event, pod) => concerns(pod, event.pod),
    podRemoved: (event, pod) => concerns(pod, event.pod),
    podChanged: (event, pod) => concerns(pod, event.pod) || concerns(pod, event.previous),
    nodeChanged: ({ node, previous }) =>
      isRelabeled(node, previous) || JSON.stringify(previous?.spec?.taints ?? []) !== JSON.stringify(node.taints),
    nodeRemoved: () => true,
  },
}
