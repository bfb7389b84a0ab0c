import type { NodeInfo } from './node-info.ts'
import { NO_DOMAIN, type TopologyColumn } from './topology-column.ts'

/** How many pods of one kind there are, node by node and domain by domain, kept up to date pod by pod. */
export class PodTally {
  readonly #byNode = new Map<NodeInfo, number>()
  readonly #byDomain = new Map<TopologyColumn, Map<number, number>>()

  /** Only nodes with at least one, also nodes that are known by their pods alone. */
  get byNode(): ReadonlyMap<NodeInfo, number> {
    return this.#byNode
  }

  /** Only domains with at least one. The map goes on changing with the pods. */
  byDomain(topology: TopologyColumn): ReadonlyMap<number, number> {
    const known = this.#byDomain.get(topology)
    if (known !== undefined) return known
    const domains = new Map<number, number>()
    for (const [node, count] of this.#byNode) {
      const domain = topology.domainOf(node)
      if (domain !== NO_DOMAIN) bump(domains, domain, count)
    }
    this.#byDomain.set(topology, domains)
    return domains
  }

  change(node: NodeInfo, by: 1 | -1): void {
    bump(this.#byNode, node, by)
    for (const [topology, domains] of this.#byDomain) {
      const domain = topology.domainOf(node)
      if (domain !== NO_DOMAIN) bump(domains, domain, by)
    }
  }

  /** A node moved from one domain to the one it has now. */
  move(node: NodeInfo, topology: TopologyColumn, was: number): void {
    const domains = this.#byDomain.get(topology)
    const count = this.#byNode.get(node)
    if (domains === undefined || count === undefined) return
    const is = topology.domainOf(node)
    if (was !== NO_DOMAIN) bump(domains, was, -count)
    if (is !== NO_DOMAIN) bump(domains, is, count)
  }

  /** Domains of this topology are no longer followed. */
  forget(topology: TopologyColumn): void {
    this.#byDomain.delete(topology)
  }
}

function bump<K>(counts: Map<K, number>, key: K, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
