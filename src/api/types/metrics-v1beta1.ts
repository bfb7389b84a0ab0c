import type { ObjectMeta } from './meta-v1.gen.ts'

/** What a container used over the window: `cpu` in cores, `memory` as its working set at the end of the window. */
export interface ContainerMetrics {
  readonly name: string
  readonly usage: Readonly<Record<string, string>>
}

/** Usage of a pod over the window that ended at `timestamp`. */
export interface PodMetrics {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: ObjectMeta
  readonly timestamp: string
  readonly window: string
  readonly containers: readonly ContainerMetrics[]
}

export interface NodeMetrics {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: ObjectMeta
  readonly timestamp: string
  readonly window: string
  readonly usage: Readonly<Record<string, string>>
}
