import type { NodeInfo } from './node-info.ts'
import type { PodTally } from './pod-tally.ts'
import { TopologyColumn } from './topology-column.ts'

/** How many topology keys are followed at once; a pod may not name more. */
const COLUMNS_MAX = 128

/** The topology keys that pods ask about. The least recently asked are forgotten. */
export class Topologies {
  readonly #columns = new Map<string, TopologyColumn>()

  /** `nodes` and `tallies` are all there are. */
  get(topologyKey: string, nodes: Iterable<NodeInfo>, tallies: () => Iterable<PodTally>): TopologyColumn {
    let column = this.#columns.get(topologyKey)
    if (column === undefined) column = new TopologyColumn(topologyKey, nodes)
    else this.#columns.delete(topologyKey)
    this.#columns.set(topologyKey, column)
    if (this.#columns.size > COLUMNS_MAX) {
      const [oldest] = this.#columns.values()
      this.#columns.delete(oldest!.topologyKey)
      for (const tally of tallies()) tally.forget(oldest!)
    }
    return column
  }

  /** A node's labels changed. */
  update(node: NodeInfo, tallies: () => Iterable<PodTally>): void {
    for (const column of this.#columns.values()) {
      const was = column.update(node)
      if (was !== column.domainOf(node)) for (const tally of tallies()) tally.move(node, column, was)
    }
  }
}
