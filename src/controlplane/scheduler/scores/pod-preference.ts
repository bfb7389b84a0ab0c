import type { ClusterState } from '../cluster/cluster-state.ts'
import type { PodTally } from '../cluster/pod-tally.ts'
import { NO_DOMAIN, type TopologyColumn } from '../cluster/topology-column.ts'
import { SCORE_MAX, type Score } from './score.ts'

/** What each pod of a domain is worth. */
interface Worth {
  readonly topology: TopologyColumn
  readonly pods: ReadonlyMap<number, number>
  readonly weight: number
}

function worthOf(tally: PodTally, topologyKey: string, weight: number, state: ClusterState): Worth {
  const topology = state.topology(topologyKey)
  return { topology, pods: tally.byDomain(topology), weight }
}

/** Preferred pod affinity and anti-affinity: the pod's own, and that of pods which stand already towards it. */
export const podPreference: Score = {
  name: 'InterPodAffinity',
  weight: 2,
  rate(pod, nodes, state, into) {
    const worths: Worth[] = []
    const own = [
      ...pod.preferredTerms,
      ...pod.preferredAntiTerms.map(({ term, weight }) => ({ term, weight: -weight })),
    ]
    for (const { term, weight } of own) {
      worths.push(worthOf(state.tallyMatching([term]), term.topologyKey, weight, state))
    }
    state.standing.scoring.visit(pod.buckets, ({ term, weight, tally }) => {
      if (state.matches(term, pod)) worths.push(worthOf(tally, term.topologyKey, weight, state))
    })
    if (worths.every(({ pods }) => pods.size === 0)) return false
    let least = Number.POSITIVE_INFINITY
    let most = Number.NEGATIVE_INFINITY
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!
      let sum = 0
      for (const { topology, pods, weight } of worths) {
        const domain = topology.domainOf(node)
        if (domain !== NO_DOMAIN) sum += weight * (pods.get(domain) ?? 0)
      }
      into[i] = sum
      if (sum < least) least = sum
      if (sum > most) most = sum
    }
    const range = most - least
    for (let i = 0; i < nodes.length; i++) {
      into[i] = range > 0 ? Math.trunc(SCORE_MAX * ((into[i]! - least) / range)) : 0
    }
    return true
  },
}
