import type { ClusterState } from '../cluster/cluster-state.ts'
import { labelOf } from '../cluster/label-of.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import { defaultSpreadConstraints, HOSTNAME, type SpreadConstraint } from '../cluster/spread-constraint.ts'
import { countsFor } from '../filters/pod-topology-spread.ts'
import { SCORE_MAX, type Score } from './score.ts'

/** What a node's place in one topology costs: more matching pods there cost more, a large domain's less. */
type Cost = (node: NodeInfo) => number

function hasAll(node: NodeInfo, constraints: readonly SpreadConstraint[]): boolean {
  return constraints.every(({ topologyKey }) => Object.hasOwn(node.labels, topologyKey))
}

function costOf(
  constraint: SpreadConstraint,
  pod: PodInfo,
  rated: readonly NodeInfo[],
  counting: readonly NodeInfo[],
  state: ClusterState,
): Cost {
  const { topologyKey, maxSkew, matcher } = constraint
  const selected = state.countSelected(pod.namespace, matcher)
  if (topologyKey === HOSTNAME) {
    const factor = Math.log(rated.length + 2)
    return (node) => (Object.hasOwn(node.labels, HOSTNAME) ? (selected.get(node) ?? 0) * factor + maxSkew - 1 : 0)
  }
  const domains = new Map<string, number>()
  for (const node of rated) {
    const domain = labelOf(node.labels, topologyKey)
    if (domain !== undefined) domains.set(domain, 0)
  }
  const factor = Math.log(domains.size + 2)
  for (const node of counting) {
    const domain = labelOf(node.labels, topologyKey)
    const count = domain === undefined ? undefined : domains.get(domain)
    if (count === undefined || !countsFor(constraint, pod, node)) continue
    domains.set(domain!, count + (selected.get(node) ?? 0))
  }
  return (node) => {
    const domain = labelOf(node.labels, topologyKey)
    return domain === undefined ? 0 : (domains.get(domain) ?? 0) * factor + maxSkew - 1
  }
}

/**
 * Topology spread constraints with ScheduleAnyway; for a pod that has none, the defaults over the pods that its
 * Services and its owner select.
 */
export const spreadPreference: Score = {
  name: 'PodTopologySpread',
  weight: 2,
  rate(pod, nodes, state, into) {
    const saysNothing = (pod.pod.spec?.topologySpreadConstraints ?? []).length === 0
    const siblings = saysNothing ? state.siblingsOf(pod) : undefined
    const constraints = siblings === undefined ? pod.preferredSpread : defaultSpreadConstraints(siblings)
    if (constraints.length === 0) return undefined
    const needsAll = siblings === undefined
    const rated = needsAll ? nodes.filter((node) => hasAll(node, constraints)) : nodes
    const counting = needsAll ? state.nodes.filter((node) => hasAll(node, constraints)) : state.nodes
    const costs = constraints.map((constraint) => costOf(constraint, pod, rated, counting, state))
    const isRated = (node: NodeInfo): boolean => !needsAll || hasAll(node, constraints)
    let least = Number.POSITIVE_INFINITY
    let most = 0
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!
      if (!isRated(node)) continue
      let sum = 0
      for (const cost of costs) sum += cost(node)
      const rounded = Math.round(sum)
      into[i] = rounded
      if (rounded < least) least = rounded
      if (rounded > most) most = rounded
    }
    for (let i = 0; i < nodes.length; i++) {
      if (!isRated(nodes[i]!)) into[i] = 0
      else into[i] = most === 0 ? SCORE_MAX : Math.trunc((SCORE_MAX * (most + least - into[i]!)) / most)
    }
    return true
  },
}
