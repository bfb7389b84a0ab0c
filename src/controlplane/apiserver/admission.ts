import type { ResourceDefinition } from '../../api/definition.ts'
import type { Draft, KubeObject } from '../../api/object.ts'
import type { User } from './user.ts'

export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE'
  readonly definition: ResourceDefinition
  /** Empty for the resource itself. */
  readonly subresource: string
  readonly namespace: string | undefined
  readonly name: string
  /** The object about to be validated and written, defaulted; plugins may change it. Undefined on DELETE. */
  readonly object: Draft<KubeObject> | undefined
  /** What is stored now. Undefined on CREATE. */
  readonly previous: KubeObject | undefined
  readonly user: User
  readonly dryRun: boolean
}

/** What became of a write; `unknown` when the store gave no answer: it may have happened, or happen still. */
export type WriteOutcome = 'committed' | 'abandoned' | 'unknown'

/** What a plugin did outside the object (addresses taken); settled once the write's fate is known. */
export interface AdmissionEffect {
  /** `stored` is what a committed write has left: the object, or undefined when it is gone. */
  settle(outcome: WriteOutcome, stored?: KubeObject): void
}

/** Runs after defaulting and before validation; refuses by throwing a StatusError. */
export interface AdmissionPlugin {
  readonly name: string
  admit(request: AdmissionRequest): Promise<AdmissionEffect | undefined>
}
