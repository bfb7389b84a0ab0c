// Written by scripts/generate-types.ts from the structure of the Kubernetes API, level 1.36. Do not edit.
import type { ListMeta, ObjectMeta } from './meta-v1.gen.ts'

export interface Lease {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: ObjectMeta
  readonly spec?: LeaseSpec
}

export interface LeaseList {
  readonly apiVersion?: string
  readonly items: readonly Lease[]
  readonly kind?: string
  readonly metadata?: ListMeta
}

export interface LeaseSpec {
  readonly acquireTime?: string
  readonly holderIdentity?: string
  readonly leaseDurationSeconds?: number
  readonly leaseTransitions?: number
  readonly preferredHolder?: string
  readonly renewTime?: string
  readonly strategy?: string
}
