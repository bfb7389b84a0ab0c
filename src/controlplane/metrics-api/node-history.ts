import type { NodeSample } from './decode-summary.ts'
import { type Usage, usageBetween } from './usage-rate.ts'

/** The last two samples of one node. */
export class NodeHistory {
  #last: NodeSample | undefined
  #earlier: NodeSample | undefined
  #takenAtMs = Number.NEGATIVE_INFINITY

  /** `nowMs` is monotonic: when the sample came, by our own clock. */
  take(sample: NodeSample, nowMs: number): void {
    this.#takenAtMs = nowMs
    // The same sample again, from a node that measures less often than it is asked.
    if (sample.node !== undefined && sample.node.atMs === this.#last?.node?.atMs) return
    this.#earlier = this.#last
    this.#last = sample
  }

  takenWithin(ms: number, nowMs: number): boolean {
    return nowMs - this.#takenAtMs <= ms
  }

  node(): Usage | undefined {
    const [last, earlier] = [this.#last?.node, this.#earlier?.node]
    return last === undefined || earlier === undefined ? undefined : usageBetween(last, earlier)
  }

  /**
   * Usage of all containers of a pod that ran at the last sample. Undefined when there is none, or when one of them has
   * no earlier point: a pod is told of as a whole or not at all.
   */
  pod(uid: string): ReadonlyMap<string, Usage> | undefined {
    const last = this.#last?.pods.get(uid)
    if (last === undefined || last.size === 0) return undefined
    const usages = new Map<string, Usage>()
    for (const [name, point] of last) {
      const before = this.#earlier?.pods.get(uid)?.get(name)
      const usage = before === undefined ? undefined : usageBetween(point, before)
      if (usage === undefined) return undefined
      usages.set(name, usage)
    }
    return usages
  }
}
