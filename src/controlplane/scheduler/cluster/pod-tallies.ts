import type { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'
import { PodTally } from './pod-tally.ts'
import { SelectorIndex } from './selector-index.ts'

/** How many different questions are kept answered. */
const QUESTIONS_MAX = 4_096

/** Which pods are meant. */
export interface PodQuestion {
  /** The same text must always mean the same pods. */
  readonly text: string
  /** Where an index finds it by the pods that it may mean. */
  readonly buckets: readonly string[]
  /** Whether it depends on the labels of namespaces. */
  readonly asksNamespaces: boolean
  matches(pod: PodInfo): boolean
}

interface Answered {
  readonly question: PodQuestion
  readonly tally: PodTally
}

/** A pod and the node it is counted on. */
export interface Place {
  readonly pod: PodInfo
  readonly node: NodeInfo
}

/**
 * Keeps counting the pods that decisions ask about. Pods of one workload ask the same question, so that only its first
 * pod has to look at others. The least recently asked are forgotten.
 */
export class PodTallies {
  readonly #answered = new Map<string, Answered>()
  readonly #index = new SelectorIndex<Answered>()

  /** `places` gives at least every pod that the question may mean; asked only the first time. */
  tally(question: PodQuestion, places: () => Iterable<Place>): PodTally {
    const known = this.#answered.get(question.text)
    if (known !== undefined) {
      this.#answered.delete(question.text)
      this.#answered.set(question.text, known)
      return known.tally
    }
    const answered: Answered = { question, tally: new PodTally() }
    for (const { pod, node } of places()) if (question.matches(pod)) answered.tally.change(node, 1)
    this.#answered.set(question.text, answered)
    this.#index.add(question.buckets, answered)
    if (this.#answered.size > QUESTIONS_MAX) this.#forget(this.#answered.values().next().value!)
    return answered.tally
  }

  change(node: NodeInfo, pod: PodInfo, by: 1 | -1): void {
    this.#index.visit(pod.buckets, ({ question, tally }) => {
      if (question.matches(pod)) tally.change(node, by)
    })
  }

  *tallies(): Generator<PodTally> {
    for (const { tally } of this.#answered.values()) yield tally
  }

  /** Namespaces got other labels. */
  forgetNamespaces(): void {
    for (const answered of this.#answered.values()) if (answered.question.asksNamespaces) this.#forget(answered)
  }

  #forget(answered: Answered): void {
    this.#answered.delete(answered.question.text)
    this.#index.delete(answered.question.buckets, answered)
  }
}
