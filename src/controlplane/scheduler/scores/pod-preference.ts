import { labelOf } from '../cluster/label-of.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import { SCORE_MAX, type Score } from './score.ts'

/** By topology key, then by its value: what being there is worth. */
type Worth = Map<string, Map<string, number>>

function count(worth: Worth, topologyKey: string, nodes: ReadonlyMap<NodeInfo, number>, weight: number): void {
  const byDomain = worth.get(topologyKey) ?? new Map<string, number>()
  for (const [node, pods] of nodes) {
    const domain = labelOf(node.labels, topologyKey)
    if (domain !== undefined) byDomain.set(domain, (byDomain.get(domain) ?? 0) + weight * pods)
  }
  if (byDomain.size > 0) worth.set(topologyKey, byDomain)
}

/** Preferred pod affinity and anti-affinity: the pod's own, and that of pods which stand already towards it. */
export const podPreference: Score = {
  name: 'InterPodAffinity',
  weight: 2,
  rate(pod, nodes, state, into) {
    const worth: Worth = new Map()
    for (const { term, weight } of pod.preferredTerms) {
      count(worth, term.topologyKey, state.countMatching([term]), weight)
    }
    for (const { term, weight } of pod.preferredAntiTerms) {
      count(worth, term.topologyKey, state.countMatching([term]), -weight)
    }
    for (const { term, weight, counts } of state.standing.scoring.values()) {
      if (state.matches(term, pod)) count(worth, term.topologyKey, counts, weight)
    }
    if (worth.size === 0) return undefined
    let least = Number.POSITIVE_INFINITY
    let most = Number.NEGATIVE_INFINITY
    for (let i = 0; i < nodes.length; i++) {
      let sum = 0
      for (const [topologyKey, byDomain] of worth) {
        const domain = labelOf(nodes[i]!.labels, topologyKey)
        if (domain !== undefined) sum += byDomain.get(domain) ?? 0
      }
      into[i] = sum
      if (sum < least) least = sum
      if (sum > most) most = sum
    }
    const range = most - least
    for (let i = 0; i < nodes.length; i++) {
      into[i] = range > 0 ? Math.trunc((SCORE_MAX * (into[i]! - least)) / range) : 0
    }
    return true
  },
}
