// Written by scripts/generate-types.ts from the structure of the Kubernetes API, level 1.36. Do not edit.
import type { EventSource, ObjectReference } from './core-v1.gen.ts'
import type { ListMeta, ObjectMeta } from './meta-v1.gen.ts'

export interface Event {
  readonly action?: string
  readonly apiVersion?: string
  readonly deprecatedCount?: number
  readonly deprecatedFirstTimestamp?: string
  readonly deprecatedLastTimestamp?: string
  readonly deprecatedSource?: EventSource
  readonly eventTime: string
  readonly kind?: string
  readonly metadata?: ObjectMeta
  readonly note?: string
  readonly reason?: string
  readonly regarding?: ObjectReference
  readonly related?: ObjectReference
  readonly reportingController?: string
  readonly reportingInstance?: string
  readonly series?: EventSeries
  readonly type?: string
}

export interface EventList {
  readonly apiVersion?: string
  readonly items: readonly Event[]
  readonly kind?: string
  readonly metadata?: ListMeta
}

export interface EventSeries {
  readonly count: number
  readonly lastObservedTime: string
}
