import type { NodeInfo } from './node-info.ts'
import { NO_DOMAIN, type TopologyColumn } from './topology-column.ts'

const REMEMBERED_MAX = 512

/** The domains of a topology on nodes that count. */
export interface EligibleDomains {
  readonly count: number
  /** Every node that has the key counts, so that nobody needs to be left out when pods are counted. */
  readonly isAll: boolean
}

/** Remembers how many domains there are, until nodes come, go, or change their labels or taints. */
export class EligibleDomainsCache {
  readonly #known = new Map<string, EligibleDomains>()

  /** `text` names what `counts` asks of nodes beside the key: the same text must always ask the same. */
  get(
    topology: TopologyColumn,
    text: string,
    counts: (node: NodeInfo) => boolean,
    nodes: readonly NodeInfo[],
  ): EligibleDomains {
    const key = `${topology.topologyKey}\0${text}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const domains = new Set<number>()
    let isAll = true
    for (const node of nodes) {
      const domain = topology.domainOf(node)
      if (domain === NO_DOMAIN) continue
      if (counts(node)) domains.add(domain)
      else isAll = false
    }
    if (this.#known.size >= REMEMBERED_MAX) this.#known.delete(this.#known.keys().next().value!)
    const eligible = { count: domains.size, isAll }
    this.#known.set(key, eligible)
    return eligible
  }

  clear(): void {
    this.#known.clear()
  }
}
