import { objectKey } from '../../../api/object.ts'
import type { Node, Pod } from '../../../api/types/core-v1.gen.ts'
import { type EligibleDomains, EligibleDomainsCache } from './eligible-domains.ts'
import { ImageIndex } from './image-index.ts'
import { interleaveZones, zoneOf } from './interleave-zones.ts'
import { NodeInfo } from './node-info.ts'
import { NodeRows } from './node-rows.ts'
import { Nominations } from './nominations.ts'
import { type PodInfo, startedAtMs } from './pod-info.ts'
import type { PodSelector } from './pod-selector.ts'
import { type Place, PodTallies } from './pod-tallies.ts'
import type { PodTally } from './pod-tally.ts'
import { type PodTerm, termMatches } from './pod-term.ts'
import { bucketOf } from './selector-index.ts'
import { StandingTerms } from './standing-terms.ts'
import { Topologies } from './topologies.ts'
import type { TopologyColumn } from './topology-column.ts'

type Labels = Readonly<Record<string, string>>
const NO_LABELS: Labels = {}

/**
 * Nodes and the pods on them, changed one object at a time: what decisions are made on. A decision runs in one turn of
 * the event loop, so that what it sees does not change under it. Pods that were just given a node are counted before
 * the API shows them there.
 */
export class ClusterState {
  readonly #rows = new NodeRows()
  readonly #nodes = new Map<string, NodeInfo>()
  readonly #places = new Map<string, Place>()
  readonly #placesByNamespace = new Map<string, Set<Place>>()
  readonly #namespaceLabels = new Map<string, Labels>()
  readonly #tallies = new PodTallies()
  readonly #topologies = new Topologies()
  readonly #eligible = new EligibleDomainsCache()
  readonly #images = new ImageIndex()
  #ordered: readonly NodeInfo[] | undefined
  readonly standing = new StandingTerms()
  readonly nominations = new Nominations()
  /** Selects the pods of the same workload, for pods that do not say themselves how they spread. */
  readonly siblingsOf: (pod: PodInfo) => PodSelector | undefined

  constructor(siblingsOf: (pod: PodInfo) => PodSelector | undefined = () => undefined) {
    this.siblingsOf = siblingsOf
  }

  /** Nodes that exist, zones taking turns, so that the first ones looked at are spread over all of them. */
  get nodes(): readonly NodeInfo[] {
    this.#ordered ??= interleaveZones([...this.#nodes.values()].filter(({ node }) => node !== undefined))
    return this.#ordered
  }

  node(name: string): NodeInfo | undefined {
    const info = this.#nodes.get(name)
    return info?.node === undefined ? undefined : info
  }

  setNode(node: Node): NodeInfo {
    const info = this.#info(node.metadata?.name ?? '')
    this.#changeNode(info, node)
    return info
  }

  /** Its pods stay known until they are deleted too. */
  removeNode(name: string): void {
    const info = this.#nodes.get(name)
    if (info === undefined) return
    this.#changeNode(info, undefined)
    this.#dropIfEmpty(info)
  }

  /** Puts a pod on a node, or replaces what was known of it there or elsewhere. */
  setPod(pod: PodInfo, nodeName: string): void {
    this.removePod(pod.key)
    const node = this.#info(nodeName)
    const place = { pod, node }
    this.#places.set(pod.key, place)
    const others = this.#placesByNamespace.get(pod.namespace)
    if (others === undefined) this.#placesByNamespace.set(pod.namespace, new Set([place]))
    else others.add(place)
    node.addPod(pod)
    this.standing.change(node, pod, 1)
    this.#tallies.change(node, pod, 1)
  }

  /** Takes over a new version of a pod in which nothing changed that is counted. */
  refreshPod(pod: Pod): void {
    const key = objectKey(pod)
    const known = this.#places.get(key)
    if (known === undefined) return
    const place = { node: known.node, pod: { ...known.pod, pod, startedAtMs: startedAtMs(pod) } }
    this.#places.set(key, place)
    const others = this.#placesByNamespace.get(known.pod.namespace)
    others?.delete(known)
    others?.add(place)
    known.node.pods.set(key, place.pod)
  }

  /** Where it was. */
  removePod(key: string): Place | undefined {
    const place = this.#places.get(key)
    if (place === undefined) return undefined
    const { pod, node } = place
    this.#places.delete(key)
    const others = this.#placesByNamespace.get(pod.namespace)
    others?.delete(place)
    if (others?.size === 0) this.#placesByNamespace.delete(pod.namespace)
    node.removePod(key)
    this.standing.change(node, pod, -1)
    this.#tallies.change(node, pod, -1)
    this.#dropIfEmpty(node)
    return place
  }

  /** The node a pod is counted on, and how it was counted. */
  placeOf(key: string): Place | undefined {
    return this.#places.get(key)
  }

  setNamespace(name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.#namespaceLabels.delete(name)
    else this.#namespaceLabels.set(name, labels)
    this.#tallies.forgetNamespaces()
  }

  readonly namespaceLabels = (name: string): Labels => this.#namespaceLabels.get(name) ?? NO_LABELS

  /** Whether the term speaks of this pod. */
  matches(term: PodTerm, pod: PodInfo): boolean {
    return termMatches(term, pod.namespace, pod.labels, this.namespaceLabels)
  }

  /** Pods that all these terms speak of. */
  tallyMatching(terms: readonly PodTerm[]): PodTally {
    const [first] = terms
    return this.#tallies.tally(
      {
        text: terms.map((term) => term.text).join('\n'),
        buckets: first?.buckets ?? [],
        asksNamespaces: terms.some(({ namespaceMatcher }) => namespaceMatcher !== undefined),
        matches: (pod) => terms.every((term) => this.matches(term, pod)),
      },
      () => (first?.namespaceMatcher === undefined ? this.#placesIn(first?.namespaces ?? []) : this.#places.values()),
    )
  }

  /** Pods of a namespace that are selected and not ending. */
  tallySelected(namespace: string, selector: PodSelector): PodTally {
    return this.#tallies.tally(
      {
        text: `${namespace} ${selector.text}`,
        buckets: [bucketOf(namespace, selector.anchor)],
        asksNamespaces: false,
        matches: (pod) => pod.namespace === namespace && !pod.isTerminating && selector.matches(pod.labels),
      },
      () => this.#placesIn([namespace]),
    )
  }

  /** The domains that nodes are in. */
  topology(topologyKey: string): TopologyColumn {
    return this.#topologies.get(topologyKey, this.#nodes.values(), this.#allTallies)
  }

  /** The domains on nodes that count; `text` names what `counts` asks. */
  eligibleDomains(topology: TopologyColumn, text: string, counts: (node: NodeInfo) => boolean): EligibleDomains {
    return this.#eligible.get(topology, text, counts, this.nodes)
  }

  get hasImages(): boolean {
    return this.#images.size > 0
  }

  /** The nodes that have an image, named with its tag, and its size there in bytes. */
  nodesWithImage(image: string): ReadonlyMap<NodeInfo, number> | undefined {
    return this.#images.nodesWith(image)
  }

  *#placesIn(namespaces: Iterable<string>): Generator<Place> {
    for (const namespace of namespaces) yield* this.#placesByNamespace.get(namespace) ?? []
  }

  readonly #allTallies = (): Iterable<PodTally> => [...this.#tallies.tallies(), ...this.standing.tallies()]

  #dropIfEmpty(info: NodeInfo): void {
    if (info.node !== undefined || info.pods.size > 0) return
    this.#nodes.delete(info.name)
    this.#rows.free(info.slot)
  }

  #info(name: string): NodeInfo {
    let info = this.#nodes.get(name)
    if (info === undefined) {
      info = new NodeInfo(name, this.#rows)
      this.#nodes.set(name, info)
    }
    return info
  }

  #changeNode(info: NodeInfo, node: Node | undefined): void {
    const { node: known, labels, taints } = info
    const zone = zoneOf(labels)
    info.setNode(node)
    this.#images.change(info, known, node)
    const cameOrWent = (known === undefined) !== (node === undefined)
    if (cameOrWent || zoneOf(info.labels) !== zone) this.#ordered = undefined
    const relabeled = info.labels !== labels && JSON.stringify(info.labels) !== JSON.stringify(labels)
    if (relabeled || JSON.stringify(info.taints) !== JSON.stringify(taints)) this.#eligible.clear()
    if (relabeled) this.#topologies.update(info, this.#allTallies)
  }
}
