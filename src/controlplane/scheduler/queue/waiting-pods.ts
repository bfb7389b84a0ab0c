import type { Millis } from '../../../base/clock.ts'
import type { PodInfo } from '../cluster/pod-info.ts'

/** A pod on its way through the queue. */
export interface QueuedPod {
  readonly key: string
  readonly pod: PodInfo
  /** Its place in line: among equal priorities the lowest is first. */
  readonly order: number
  /** How often it was tried. */
  readonly attempts: number
}

export interface WaitingPod extends QueuedPod {
  /** The filters that said no to it. */
  readonly refusedBy: readonly string[]
  readonly triedAt: Millis
}

/** Pods that were refused, found by the filters that refused them, so that a change is asked about only where it may help. */
export class WaitingPods {
  readonly #pods = new Map<string, WaitingPod>()
  readonly #byFilter = new Map<string, Map<string, WaitingPod>>()

  get size(): number {
    return this.#pods.size
  }

  get(key: string): WaitingPod | undefined {
    return this.#pods.get(key)
  }

  values(): Iterable<WaitingPod> {
    return this.#pods.values()
  }

  refusedBy(filter: string): Iterable<WaitingPod> {
    return this.#byFilter.get(filter)?.values() ?? []
  }

  set(waiting: WaitingPod): void {
    this.delete(waiting.key)
    this.#pods.set(waiting.key, waiting)
    for (const filter of waiting.refusedBy) {
      const pods = this.#byFilter.get(filter)
      if (pods === undefined) this.#byFilter.set(filter, new Map([[waiting.key, waiting]]))
      else pods.set(waiting.key, waiting)
    }
  }

  delete(key: string): WaitingPod | undefined {
    const waiting = this.#pods.get(key)
    if (waiting === undefined) return undefined
    this.#pods.delete(key)
    for (const filter of waiting.refusedBy) {
      const pods = this.#byFilter.get(filter)
      pods?.delete(key)
      if (pods?.size === 0) this.#byFilter.delete(filter)
    }
    return waiting
  }
}
