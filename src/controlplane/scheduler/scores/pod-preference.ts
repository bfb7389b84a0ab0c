import { labelOf } from '../cluster/label-of.ts'
import { SCORE_MAX, type Score } from './score.ts'

/** What each pod of a domain is worth. */
interface Worth {
  readonly topologyKey: string
  readonly pods: ReadonlyMap<string, number>
  readonly weight: number
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
      const { topologyKey } = term
      worths.push({ topologyKey, pods: state.tallyMatching([term]).byDomain(topologyKey), weight })
    }
    state.standing.scoring.visit(pod.buckets, ({ term, weight, tally }) => {
      const { topologyKey } = term
      if (state.matches(term, pod)) worths.push({ topologyKey, pods: tally.byDomain(topologyKey), weight })
    })
    if (worths.every(({ pods }) => pods.size === 0)) return false
    let least = Number.POSITIVE_INFINITY
    let most = Number.NEGATIVE_INFINITY
    for (let i = 0; i < nodes.length; i++) {
      const { labels } = nodes[i]!
      let sum = 0
      for (const { topologyKey, pods, weight } of worths) {
        const domain = labelOf(labels, topologyKey)
        if (domain !== undefined) sum += weight * (pods.get(domain) ?? 0)
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
