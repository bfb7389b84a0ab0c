// Written by scripts/generate-types.ts from the structure of the Kubernetes API, level 1.36. Do not edit.
import type { Toleration } from './core-v1.gen.ts'
import type { ListMeta, ObjectMeta } from './meta-v1.gen.ts'

export interface Overhead {
  readonly podFixed?: Readonly<Record<string, string>>
}

export interface RuntimeClass {
  readonly apiVersion?: string
  readonly handler: string
  readonly kind?: string
  readonly metadata?: ObjectMeta
  readonly overhead?: Overhead
  readonly scheduling?: Scheduling
}

export interface RuntimeClassList {
  readonly apiVersion?: string
  readonly items: readonly RuntimeClass[]
  readonly kind?: string
  readonly metadata?: ListMeta
}

export interface Scheduling {
  readonly nodeSelector?: Readonly<Record<string, string>>
  readonly tolerations?: readonly Toleration[]
}
