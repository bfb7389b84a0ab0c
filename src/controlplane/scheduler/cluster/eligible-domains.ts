import { labelOf } from './label-of.ts'
import type { NodeInfo } from './node-info.ts'

const REMEMBERED_MAX = 512

/** The domains of a topology key on nodes that count. */
export interface EligibleDomains {
  readonly domains: ReadonlySet<string>
  /** Every node that has the key counts, so that nobody needs to be left out when pods are counted. */
  readonly isAll: boolean
}

/** Remembers which domains there are, until nodes come, go, or change their labels or taints. */
export class EligibleDomainsCache {
  readonly #known = new Map<string, EligibleDomains>()

  /** `text` names what `counts` asks of nodes beside the key: the same text must always ask the same. */
  get(
    topologyKey: string,
    text: string,
    counts: ((node: NodeInfo) => boolean) | undefined,
    nodes: readonly NodeInfo[],
  ): EligibleDomains {
    const key = `${topologyKey}\0${text}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const domains = new Set<string>()
    let isAll = true
    for (const node of nodes) {
      const domain = labelOf(node.labels, topologyKey)
      if (domain === undefined) continue
      if (counts === undefined || counts(node)) domains.add(domain)
      else isAll = false
    }
    if (this.#known.size >= REMEMBERED_MAX) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(key, { domains, isAll })
    return { domains, isAll }
  }

  clear(): void {
    this.#known.clear()
  }
}
