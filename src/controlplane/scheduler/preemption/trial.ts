import type { ClusterState } from '../cluster/cluster-state.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import { FILTERS } from '../filters/all-filters.ts'
import type { Refusal } from '../filters/filter.ts'
import { type ReadyFilter, readyFilters, refusalOf } from '../run-filters.ts'

const MINDFUL = FILTERS.filter(({ minds }) => minds !== undefined)

/**
 * Pods taken from a node and put back, to see whether another pod would fit. Most of them are nothing to the filters
 * that look beyond the node; of those only the node's own sums change, which costs next to nothing.
 */
export class Trial {
  readonly #pod: PodInfo
  readonly #node: NodeInfo
  readonly #state: ClusterState
  /** Taken pods, and whether the whole state knows. */
  readonly #taken = new Map<PodInfo, boolean>()
  #ready: readonly ReadyFilter[] | undefined

  constructor(pod: PodInfo, node: NodeInfo, state: ClusterState) {
    this.#pod = pod
    this.#node = node
    this.#state = state
  }

  take(victim: PodInfo): void {
    const matters = this.#matters(victim)
    this.#taken.set(victim, matters)
    if (matters) {
      this.#state.removePod(victim.key)
      this.#ready = undefined
    } else this.#node.count(victim, -1)
  }

  putBack(victim: PodInfo): void {
    const mattered = this.#taken.get(victim)
    this.#taken.delete(victim)
    if (mattered === true) {
      this.#state.setPod(victim, this.#node.name)
      this.#ready = undefined
    } else this.#node.count(victim, 1)
  }

  /** Why the pod does not fit as things are now. */
  refusal(): Refusal | undefined {
    this.#ready ??= readyFilters(this.#pod, this.#state)
    return refusalOf(this.#pod, this.#node, this.#ready, this.#state)?.refusal
  }

  /** Puts back all that is still taken. */
  end(): void {
    for (const victim of [...this.#taken.keys()]) this.putBack(victim)
  }

  /** Pods that were promised a place here may mind what this one does not. */
  #matters(victim: PodInfo): boolean {
    return (
      this.#state.nominations.on(this.#node.name).length > 0 ||
      MINDFUL.some(({ minds }) => minds!(this.#pod, victim, this.#state))
    )
  }
}
