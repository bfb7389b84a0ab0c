// Written by scripts/generate-types.ts from the structure of the Kubernetes API, level 1.36. Do not edit.
import type { ListMeta, ObjectMeta } from './meta-v1.gen.ts'

export interface PriorityClass {
  readonly apiVersion?: string
  readonly description?: string
  readonly globalDefault?: boolean
  readonly kind?: string
  readonly metadata?: ObjectMeta
  readonly preemptionPolicy?: string
  readonly value?: number
}

export interface PriorityClassList {
  readonly apiVersion?: string
  readonly items: readonly PriorityClass[]
  readonly kind?: string
  readonly metadata?: ListMeta
}
