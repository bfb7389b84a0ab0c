import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Millis } from '../../base/clock.ts'
import type { PlannedContainer } from './planned-container.ts'
import type { PodMemory } from './pod-memory.ts'

/** Why a pod ends: it was deleted, its object is gone, its deadline has passed, it took too much, or all it had to do is done. */
export interface Ending {
  readonly kind: 'deleted' | 'gone' | 'deadline' | 'evicted' | 'finished'
  readonly sinceMs: Millis
  readonly graceMs: Millis
}

/** Why a container waits, where the plan has more to say than "it is being created". */
export interface ContainerView {
  readonly reason: string
  readonly message: string
}

export interface StatusInput {
  readonly pod: Pod
  readonly memory: PodMemory
  readonly containers: readonly PlannedContainer[]
  readonly views: ReadonlyMap<string, ContainerView>
  readonly hasSandbox: boolean
  readonly ending: Ending | undefined
  readonly nothingRuns: boolean
  readonly initialized: boolean
  readonly now: Millis
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
export function isoSeconds(ms: Millis): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
