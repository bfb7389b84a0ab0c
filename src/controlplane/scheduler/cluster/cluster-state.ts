import type { LabelMatcher } from '../../../api/label-selector.ts'
import type { Node } from '../../../api/types/core-v1.gen.ts'
import { labelOf } from './label-of.ts'
import { MatchingPods } from './matching-pods.ts'
import { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'
import { type PodTerm, termMatches } from './pod-term.ts'
import { ZONE } from './spread-constraint.ts'
import { StandingTerms } from './standing-terms.ts'

type Labels = Readonly<Record<string, string>>
const NO_LABELS: Labels = {}

/**
 * Nodes and the pods on them, changed one object at a time: what decisions are made on. A decision runs in one turn of
 * the event loop, so that what it sees does not change under it. Pods that were just given a node are counted before
 * the API shows them there.
 */
export class ClusterState {
  readonly #nodes = new Map<string, NodeInfo>()
  readonly #nodeOfPod = new Map<string, NodeInfo>()
  readonly #namespaceLabels = new Map<string, Labels>()
  readonly #matching = new MatchingPods()
  readonly standing = new StandingTerms()
  /** Selects the pods of the same workload, for pods that do not say themselves how they spread. */
  readonly siblingsOf: (pod: PodInfo) => LabelMatcher | undefined
  #ordered: readonly NodeInfo[] | undefined

  constructor(siblingsOf: (pod: PodInfo) => LabelMatcher | undefined = () => undefined) {
    this.siblingsOf = siblingsOf
  }

  /** Nodes that exist, zones taking turns, so that the first ones looked at are spread over all of them. */
  get nodes(): readonly NodeInfo[] {
    this.#ordered ??= interleaved([...this.#nodes.values()].filter(({ node }) => node !== undefined))
    return this.#ordered
  }

  node(name: string): NodeInfo | undefined {
    const info = this.#nodes.get(name)
    return info?.node === undefined ? undefined : info
  }

  setNode(node: Node): NodeInfo {
    const info = this.#info(node.metadata?.name ?? '')
    const zone = labelOf(info.labels, ZONE)
    const isNew = info.node === undefined
    info.setNode(node)
    if (isNew || labelOf(info.labels, ZONE) !== zone) this.#ordered = undefined
    return info
  }

  /** Its pods stay known until they are deleted too. */
  removeNode(name: string): void {
    const info = this.#nodes.get(name)
    if (info === undefined) return
    info.setNode(undefined)
    this.#ordered = undefined
    if (info.pods.size === 0) this.#nodes.delete(name)
  }

  /** Puts a pod on a node, or replaces what was known of it there or elsewhere. */
  setPod(pod: PodInfo, nodeName: string): void {
    this.removePod(pod.key)
    const node = this.#info(nodeName)
    node.addPod(pod)
    this.#nodeOfPod.set(pod.key, node)
    this.standing.add(node, pod)
    this.#matching.add(node, pod)
  }

  removePod(key: string): PodInfo | undefined {
    const node = this.#nodeOfPod.get(key)
    const pod = node?.removePod(key)
    if (node === undefined || pod === undefined) return undefined
    this.#nodeOfPod.delete(key)
    this.standing.remove(node, pod)
    this.#matching.remove(node, pod)
    if (node.node === undefined && node.pods.size === 0) this.#nodes.delete(node.name)
    return pod
  }

  /** The node a pod is counted on, and how it was counted. */
  placeOf(key: string): { readonly node: NodeInfo; readonly pod: PodInfo } | undefined {
    const node = this.#nodeOfPod.get(key)
    return node === undefined ? undefined : { node, pod: node.pods.get(key)! }
  }

  setNamespace(name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.#namespaceLabels.delete(name)
    else this.#namespaceLabels.set(name, labels)
    this.#matching.clear()
  }

  readonly namespaceLabels = (name: string): Labels => this.#namespaceLabels.get(name) ?? NO_LABELS

  /** Whether the term speaks of this pod. */
  matches(term: PodTerm, pod: PodInfo): boolean {
    return termMatches(term, pod.namespace, pod.labels, this.namespaceLabels)
  }

  /** On each node that has any, how many pods all these terms speak of. */
  countMatching(terms: readonly PodTerm[]): ReadonlyMap<NodeInfo, number> {
    const text = terms.map((term) => term.text).join('\n')
    return this.#matching.count(text, (pod) => terms.every((term) => this.matches(term, pod)), this.#nodes.values())
  }

  /** On each node that has any, how many pods of a namespace that are not ending match. */
  countSelected(namespace: string, matcher: LabelMatcher): ReadonlyMap<NodeInfo, number> {
    return this.#matching.count(
      `${namespace} ${matcher.text} ${matcher.matches(NO_LABELS)}`,
      (pod) => pod.namespace === namespace && !pod.isTerminating && matcher.matches(pod.labels),
      this.#nodes.values(),
    )
  }

  #info(name: string): NodeInfo {
    let info = this.#nodes.get(name)
    if (info === undefined) {
      info = new NodeInfo(name)
      this.#nodes.set(name, info)
    }
    return info
  }
}

/** One of each zone, then the second of each, and so on. */
function interleaved(nodes: readonly NodeInfo[]): readonly NodeInfo[] {
  const zones = Map.groupBy(nodes, ({ labels }) => labelOf(labels, ZONE) ?? '')
  if (zones.size < 2) return nodes
  const ordered: NodeInfo[] = []
  for (let i = 0; ordered.length < nodes.length; i++) {
    for (const zone of zones.values()) if (i < zone.length) ordered.push(zone[i]!)
  }
  return ordered
}
