import type { ClusterState } from '../cluster/cluster-state.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import { defaultSpreadConstraints, HOSTNAME, type SpreadConstraint } from '../cluster/spread-constraint.ts'
import { countSpread } from '../cluster/spread-count.ts'
import { NO_DOMAIN } from '../cluster/topology-column.ts'
import { SCORE_MAX, type Score } from './score.ts'

/** What a node's place in one topology costs: more matching pods there cost more, a large domain's less. */
type Cost = (node: NodeInfo) => number

const NOT_RATED = -1

function costOf(
  constraint: SpreadConstraint,
  pod: PodInfo,
  rated: readonly NodeInfo[],
  keys: readonly string[],
  state: ClusterState,
): Cost {
  const { topologyKey, maxSkew } = constraint
  const { topology, counts, tally } = countSpread(constraint, pod, state, keys)
  if (topologyKey === HOSTNAME) {
    const { byNode } = tally
    const factor = Math.log(rated.length + 2)
    return (node) => (topology.domainOf(node) !== NO_DOMAIN ? (byNode.get(node) ?? 0) * factor + maxSkew - 1 : 0)
  }
  // Nodes without the label are together one more domain, which makes the others smaller but is nobody's.
  const domains = new Set<number>()
  for (const node of rated) domains.add(topology.domainOf(node))
  const factor = Math.log(domains.size + 2)
  return (node) => {
    const domain = topology.domainOf(node)
    return domain === NO_DOMAIN ? 0 : (counts.get(domain) ?? 0) * factor + maxSkew - 1
  }
}

/**
 * Topology spread constraints with ScheduleAnyway; for a pod that has none, the defaults over the pods that its
 * Services and its owner select. Only the pod's own constraints leave out nodes that lack one of their labels.
 */
export const spreadPreference: Score = {
  name: 'PodTopologySpread',
  weight: 2,
  rate(pod, nodes, state, into) {
    const saysNothing = (pod.pod.spec?.topologySpreadConstraints ?? []).length === 0
    const siblings = saysNothing ? state.siblingsOf(pod) : undefined
    const constraints = siblings === undefined ? pod.preferredSpread : defaultSpreadConstraints(siblings)
    if (constraints.length === 0) return false
    const keys = siblings === undefined ? constraints.map(({ topologyKey }) => topologyKey) : []
    const topologies = keys.map((key) => state.topology(key))
    const isRated = (node: NodeInfo): boolean => topologies.every((topology) => topology.domainOf(node) !== NO_DOMAIN)
    const rated = keys.length === 0 ? nodes : nodes.filter(isRated)
    const costs = constraints.map((constraint) => costOf(constraint, pod, rated, keys, state))
    let least = Number.POSITIVE_INFINITY
    let most = 0
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!
      into[i] = NOT_RATED
      if (!isRated(node)) continue
      let sum = 0
      for (const cost of costs) sum += cost(node)
      const rounded = Math.round(sum)
      into[i] = rounded
      if (rounded < least) least = rounded
      if (rounded > most) most = rounded
    }
    for (let i = 0; i < nodes.length; i++) {
      if (into[i] === NOT_RATED) into[i] = 0
      else into[i] = most === 0 ? SCORE_MAX : Math.trunc((SCORE_MAX * (most + least - into[i]!)) / most)
    }
    return true
  },
}
