import type { ResourceDefinition } from '../../api/definition.ts'
import type { Draft, KubeObject } from '../../api/object.ts'
import { StatusError } from '../../api/status-error.ts'
import type { Revision } from '../store/store.ts'
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

/**
 * A key of the store that orders the decisions of several API servers: the write is accepted only while the key stands
 * where it stood when this one decided, and moves it.
 */
export interface Guard {
  readonly key: string
  /** 0n: not there yet. */
  readonly modRevision: Revision
}

/** Another API server was faster; what was decided must be decided anew on what it has left. */
export class GuardMovedError extends StatusError {
  constructor({ key }: Guard) {
    super('Conflict', `another API server has moved ${key} at the same time; please try again`)
  }
}

/** What a plugin did outside the object (addresses taken); settled once the write's fate is known. */
export interface AdmissionEffect {
  readonly guard?: Guard | undefined
  /**
   * `stored` is what a committed write has left: the object, or undefined when it is gone; `revision` is where a write
   * of an object was committed.
   */
  settle(outcome: WriteOutcome, stored?: KubeObject, revision?: Revision): void
}

/** Runs after defaulting and before validation; refuses by throwing a StatusError. */
export interface AdmissionPlugin {
  readonly name: string
  admit(request: AdmissionRequest): Promise<AdmissionEffect | undefined>
}
