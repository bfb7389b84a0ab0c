import type { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'
import { PodTally } from './pod-tally.ts'
import type { PodTerm } from './pod-term.ts'
import { SelectorIndex } from './selector-index.ts'

/** Equal terms of pods that already stand, and where those pods are. */
export interface StandingTerm {
  readonly term: PodTerm
  readonly weight: number
  readonly tally: PodTally
}

/** Terms found by the pods they may speak of; replicas of one workload are one entry. */
export class StandingTermSet {
  readonly #terms = new Map<string, StandingTerm>()
  readonly #index = new SelectorIndex<StandingTerm>()

  get size(): number {
    return this.#terms.size
  }

  values(): Iterable<StandingTerm> {
    return this.#terms.values()
  }

  /** Those that may speak of a pod of these buckets. */
  visit(buckets: readonly string[], callback: (standing: StandingTerm) => void): void {
    if (this.#terms.size > 0) this.#index.visit(buckets, callback)
  }

  change(node: NodeInfo, term: PodTerm, weight: number, by: 1 | -1): void {
    const key = `${weight} ${term.text}`
    let standing = this.#terms.get(key)
    if (standing === undefined) {
      standing = { term, weight, tally: new PodTally() }
      this.#terms.set(key, standing)
      this.#index.add(term.buckets, standing)
    }
    standing.tally.change(node, by)
    if (standing.tally.byNode.size > 0) return
    this.#terms.delete(key)
    this.#index.delete(standing.term.buckets, standing)
  }
}

/** What affinity of pods on nodes says about pods to come. */
export class StandingTerms {
  readonly requiredAnti = new StandingTermSet()
  /** Preferred terms, and required ones with kube-scheduler's hard weight of 1; anti-affinity weighs negative. */
  readonly scoring = new StandingTermSet()

  change(node: NodeInfo, pod: PodInfo, by: 1 | -1): void {
    for (const term of pod.requiredAntiTerms) this.requiredAnti.change(node, term, 1, by)
    for (const term of pod.requiredTerms) this.scoring.change(node, term, 1, by)
    for (const { term, weight } of pod.preferredTerms) this.scoring.change(node, term, weight, by)
    for (const { term, weight } of pod.preferredAntiTerms) this.scoring.change(node, term, -weight, by)
  }

  *tallies(): Generator<PodTally> {
    for (const { tally } of this.requiredAnti.values()) yield tally
    for (const { tally } of this.scoring.values()) yield tally
  }
}
