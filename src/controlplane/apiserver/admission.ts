import type { ResourceDefinition } from '../../api/definition.ts'
import type { Draft, KubeObject } from '../../api/object.ts'
import { conflictError, StatusError } from '../../api/status-error.ts'
import type { Revision } from '../store/store.ts'
import type { CachedObject } from './cache/cached-object.ts'
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

/** How a write is refused that was decided on an older version than there is. */
export const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again'

/** A write that is allowed but for what the last plugins say. */
export interface AdmissionReview extends Omit<AdmissionRequest, 'operation' | 'object'> {
  readonly operation: 'CREATE' | 'UPDATE'
  readonly object: KubeObject
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

/**
 * Another object that is written in the same commit: both or neither. Its writers and watchers see it as any other
 * write; strategies, admission and validation are not run for it.
 */
export interface Companion {
  readonly definition: ResourceDefinition
  readonly object: KubeObject
  /** The version that was decided on; the commit fails when it is no longer the newest. */
  readonly stored: CachedObject
}

/** Another writer was faster; what was decided must be decided anew on what it has left. */
export class OutdatedDecisionError extends StatusError {}

/** Another API server has moved a guard. */
export class GuardMovedError extends OutdatedDecisionError {
  constructor({ key }: Guard) {
    super('Conflict', `another API server has moved ${key} at the same time; please try again`)
  }
}

/** Somebody has written a companion. */
export class CompanionMovedError extends OutdatedDecisionError {
  constructor({ definition, object }: Companion) {
    const { message, details } = conflictError(definition, object.metadata?.name ?? '', MODIFIED)
    super('Conflict', message, details)
  }
}

/** What a plugin did outside the object (addresses taken); settled once the write's fate is known. */
export interface AdmissionEffect {
  readonly guard?: Guard | undefined
  readonly companions?: readonly Companion[]
  /**
   * `stored` is what a committed write has left: the object, or undefined when it is gone; `revision` is where a write
   * of an object was committed.
   */
  settle(outcome: WriteOutcome, stored?: KubeObject, revision?: Revision): void
}

/** Refuses by throwing a StatusError. */
export interface AdmissionPlugin {
  readonly name: string
  /** Runs after defaulting and before validation, and may change the object. */
  admit(request: AdmissionRequest): Promise<AdmissionEffect | undefined>
  /** Runs last, on an object that is valid and as it will be stored; not for deletions. */
  review?(request: AdmissionReview): Promise<AdmissionEffect | undefined>
}
