import type { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'

/** How many different questions are kept answered. */
const QUESTIONS_MAX = 256

interface Question {
  readonly matches: (pod: PodInfo) => boolean
  /** Only nodes with at least one. */
  readonly counts: Map<NodeInfo, number>
}

/**
 * How many pods of each node match a selector, kept up to date with every pod that comes or goes. Pods of one workload
 * ask the same question, so only its first pod has to look at all others. The least recently asked are forgotten.
 */
export class MatchingPods {
  readonly #questions = new Map<string, Question>()

  /** `text` names the question; the same text must always mean the same `matches`. */
  count(text: string, matches: (pod: PodInfo) => boolean, nodes: Iterable<NodeInfo>): ReadonlyMap<NodeInfo, number> {
    const known = this.#questions.get(text)
    if (known !== undefined) {
      this.#questions.delete(text)
      this.#questions.set(text, known)
      return known.counts
    }
    const question: Question = { matches, counts: new Map() }
    for (const node of nodes) for (const pod of node.pods.values()) change(question, node, pod, 1)
    this.#questions.set(text, question)
    if (this.#questions.size > QUESTIONS_MAX) this.#questions.delete(this.#questions.keys().next().value!)
    return question.counts
  }

  add(node: NodeInfo, pod: PodInfo): void {
    for (const question of this.#questions.values()) change(question, node, pod, 1)
  }

  remove(node: NodeInfo, pod: PodInfo): void {
    for (const question of this.#questions.values()) change(question, node, pod, -1)
  }

  /** What a question means has changed, as when namespaces got other labels. */
  clear(): void {
    this.#questions.clear()
  }
}

function change({ matches, counts }: Question, node: NodeInfo, pod: PodInfo, by: 1 | -1): void {
  if (!matches(pod)) return
  const count = (counts.get(node) ?? 0) + by
  if (count > 0) counts.set(node, count)
  else counts.delete(node)
}
