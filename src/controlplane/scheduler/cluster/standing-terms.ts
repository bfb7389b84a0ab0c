import type { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'
import type { PodTerm } from './pod-term.ts'

/** Equal terms of pods that already stand, and how many pods of each node have it. */
export interface StandingTerm {
  readonly term: PodTerm
  readonly weight: number
  readonly counts: Map<NodeInfo, number>
}

/** What affinity of pods on nodes says about pods to come: replicas of one workload are one entry. */
export class StandingTerms {
  readonly requiredAnti = new Map<string, StandingTerm>()
  /** Preferred terms, and required ones with kube-scheduler's hard weight of 1; anti-affinity weighs negative. */
  readonly scoring = new Map<string, StandingTerm>()

  add(node: NodeInfo, pod: PodInfo): void {
    this.#change(node, pod, 1)
  }

  remove(node: NodeInfo, pod: PodInfo): void {
    this.#change(node, pod, -1)
  }

  #change(node: NodeInfo, pod: PodInfo, by: 1 | -1): void {
    for (const term of pod.requiredAntiTerms) change(this.requiredAnti, node, term, 1, by)
    for (const term of pod.requiredTerms) change(this.scoring, node, term, 1, by)
    for (const { term, weight } of pod.preferredTerms) change(this.scoring, node, term, weight, by)
    for (const { term, weight } of pod.preferredAntiTerms) change(this.scoring, node, term, -weight, by)
  }
}

function change(terms: Map<string, StandingTerm>, node: NodeInfo, term: PodTerm, weight: number, by: 1 | -1): void {
  const key = `${weight} ${term.text}`
  const standing = terms.get(key) ?? { term, weight, counts: new Map<NodeInfo, number>() }
  const count = (standing.counts.get(node) ?? 0) + by
  if (count > 0) standing.counts.set(node, count)
  else standing.counts.delete(node)
  if (standing.counts.size > 0) terms.set(key, standing)
  else terms.delete(key)
}
