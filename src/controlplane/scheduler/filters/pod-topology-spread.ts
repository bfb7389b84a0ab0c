import type { ClusterState } from '../cluster/cluster-state.ts'
import { labelOf } from '../cluster/label-of.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import type { SpreadConstraint } from '../cluster/spread-constraint.ts'
import { toleratesAll } from '../cluster/tolerates.ts'
import { type Filter, type NodeCheck, refusal } from './filter.ts'

const TOO_SKEWED = refusal("node(s) didn't match pod topology spread constraints", true)
const NO_LABEL = refusal("node(s) didn't match pod topology spread constraints (missing required label)", false)

/** Whether a constraint's policies let a node count. */
export function countsFor(constraint: SpreadConstraint, pod: PodInfo, node: NodeInfo): boolean {
  if (constraint.honorsAffinity && pod.nodeMatch?.(node.name, node.labels) === false) return false
  return !constraint.honorsTaints || toleratesAll(node.taints, pod.tolerations)
}

/** How many matching pods each domain holds, over nodes that have all keys and count. */
function domainCounts(
  constraint: SpreadConstraint,
  pod: PodInfo,
  state: ClusterState,
  keys: readonly string[],
): ReadonlyMap<string, number> {
  const selected = state.countSelected(pod.namespace, constraint.matcher)
  const domains = new Map<string, number>()
  for (const node of state.nodes) {
    const domain = labelOf(node.labels, constraint.topologyKey)
    if (domain === undefined || !countsFor(constraint, pod, node)) continue
    if (keys.length > 1 && !keys.every((key) => Object.hasOwn(node.labels, key))) continue
    domains.set(domain, (domains.get(domain) ?? 0) + (selected.get(node) ?? 0))
  }
  return domains
}

function prepareConstraint(
  constraint: SpreadConstraint,
  pod: PodInfo,
  state: ClusterState,
  keys: readonly string[],
): NodeCheck {
  const { topologyKey, maxSkew, minDomains, matcher } = constraint
  const domains = domainCounts(constraint, pod, state, keys)
  let least = domains.size < minDomains ? 0 : Number.POSITIVE_INFINITY
  for (const count of domains.values()) if (count < least) least = count
  const itself = matcher.matches(pod.labels) ? 1 : 0
  return (node) => {
    const domain = labelOf(node.labels, topologyKey)
    if (domain === undefined) return NO_LABEL
    return (domains.get(domain) ?? 0) + itself - least > maxSkew ? TOO_SKEWED : undefined
  }
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
  helps(event, { namespace, requiredSpread }) {
    const concerns = (other: PodInfo): boolean =>
      other.namespace === namespace && requiredSpread.some(({ matcher }) => matcher.matches(other.labels))
    switch (event.kind) {
      case 'podAdded':
      case 'podRemoved':
        return concerns(event.pod)
      case 'podChanged':
        return concerns(event.pod) || concerns(event.previous)
      case 'nodeChanged':
      case 'nodeRemoved':
        return true
      default:
        return false
    }
  },
}
