import { labelOf } from './label-of.ts'
import type { NodeInfo } from './node-info.ts'

/** The domain of a node that does not have the topology key. */
export const NO_DOMAIN = -1

/** The domain of every node for one topology key, as a small number; given out anew when a domain's last node left it. */
export class TopologyColumn {
  readonly topologyKey: string
  #domains = new Int32Array(64).fill(NO_DOMAIN)
  readonly #numbers = new Map<string, number>()
  /** By number: the label's value, and how many nodes have it. */
  readonly #values: (string | undefined)[] = []
  readonly #counts: number[] = []
  readonly #free: number[] = []

  constructor(topologyKey: string, nodes: Iterable<NodeInfo>) {
    this.topologyKey = topologyKey
    for (const node of nodes) this.update(node)
  }

  /** How many domains there are. */
  get size(): number {
    return this.#numbers.size
  }

  /** A number, or NO_DOMAIN. */
  domainOf({ slot }: NodeInfo): number {
    return slot < this.#domains.length ? this.#domains[slot]! : NO_DOMAIN
  }

  /** Reads a node's labels again; what its domain was. */
  update(node: NodeInfo): number {
    const was = this.domainOf(node)
    const value = labelOf(node.labels, this.topologyKey)
    if (value === (was === NO_DOMAIN ? undefined : this.#values[was])) return was
    const is = value === undefined ? NO_DOMAIN : this.#enter(value)
    if (was !== NO_DOMAIN) this.#leave(was)
    this.#set(node.slot, is)
    return was
  }

  #enter(value: string): number {
    let domain = this.#numbers.get(value)
    if (domain === undefined) {
      domain = this.#free.pop() ?? this.#values.length
      this.#numbers.set(value, domain)
      this.#values[domain] = value
      this.#counts[domain] = 0
    }
    this.#counts[domain]! += 1
    return domain
  }

  #leave(domain: number): void {
    this.#counts[domain]! -= 1
    if (this.#counts[domain]! > 0) return
    this.#numbers.delete(this.#values[domain]!)
    this.#values[domain] = undefined
    this.#free.push(domain)
  }

  #set(slot: number, domain: number): void {
    if (slot >= this.#domains.length) {
      const larger = new Int32Array(Math.max(slot + 1, this.#domains.length * 2)).fill(NO_DOMAIN)
      larger.set(this.#domains)
      this.#domains = larger
    }
    this.#domains[slot] = domain
  }
}
