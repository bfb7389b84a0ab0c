import { labelOf } from './label-of.ts'
import type { NodeInfo } from './node-info.ts'

type Labels = Readonly<Record<string, string>>

/** How many pods of one kind there are, node by node and domain by domain, kept up to date pod by pod. */
export class PodTally {
  readonly #byNode = new Map<NodeInfo, number>()
  readonly #byDomain = new Map<string, Map<string, number>>()

  /** Only nodes with at least one, also nodes that are known by their pods alone. */
  get byNode(): ReadonlyMap<NodeInfo, number> {
    return this.#byNode
  }

  /** Only values of the topology key with at least one. The map goes on changing with the pods. */
  byDomain(topologyKey: string): ReadonlyMap<string, number> {
    const known = this.#byDomain.get(topologyKey)
    if (known !== undefined) return known
    const domains = new Map<string, number>()
    for (const [node, count] of this.#byNode) {
      const domain = labelOf(node.labels, topologyKey)
      if (domain !== undefined) bump(domains, domain, count)
    }
    this.#byDomain.set(topologyKey, domains)
    return domains
  }

  change(node: NodeInfo, by: 1 | -1): void {
    bump(this.#byNode, node, by)
    for (const [topologyKey, domains] of this.#byDomain) {
      const domain = labelOf(node.labels, topologyKey)
      if (domain !== undefined) bump(domains, domain, by)
    }
  }

  /** A node got other labels than it had `before`. */
  relabel(node: NodeInfo, before: Labels): void {
    const count = this.#byNode.get(node)
    if (count === undefined) return
    for (const [topologyKey, domains] of this.#byDomain) {
      const [was, is] = [labelOf(before, topologyKey), labelOf(node.labels, topologyKey)]
      if (was === is) continue
      if (was !== undefined) bump(domains, was, -count)
      if (is !== undefined) bump(domains, is, count)
    }
  }
}

function bump<K>(counts: Map<K, number>, key: K, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
