import type { Millis } from '../../base/clock.ts'
import type { PodContainer } from './pod-containers.ts'

/** One thing to do for a pod. The worker does several at once, but never two for the same container or step. */
export type PodAction =
  | { readonly kind: 'createSandbox' }
  | { readonly kind: 'prepareVolumes' }
  | {
      readonly kind: 'startContainer'
      readonly container: PodContainer
      readonly attempt: number
      /** What this start leaves behind for the next restart; undefined for the first one. */
      readonly crashDelayMs: Millis | undefined
    }
  | {
      readonly kind: 'stopContainer'
      readonly container: PodContainer
      readonly id: string
      /** From now: preStop hook, stop signal and patience together. */
      readonly graceMs: Millis
      /** Becomes the Killing event. */
      readonly why: string
    }
  | { readonly kind: 'removeContainer'; readonly id: string }
  /** Waits until the proxies have let go of the pod's address, at most so long. */
  | { readonly kind: 'drain'; readonly limitMs: Millis }
  /** The pod has ended while its object stays: its address may be given to another, and its volumes go. */
  | { readonly kind: 'release' }
  /** Nothing runs any more: last status, directories, and for a deleted pod its object. */
  | { readonly kind: 'finish'; readonly deleteObject: boolean }

/** An event to tell once: `key` is the same as long as it is the same occurrence. */
export interface PodNotice {
  readonly key: string
  readonly container: PodContainer | undefined
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}
