import type { StoreDigest } from './store-digest.ts'

/** A store-wide, strictly growing number; every commit that changes anything gets the next one. */
export type Revision = bigint

export interface KeyValue {
  readonly key: string
  readonly value: Uint8Array
  readonly createRevision: Revision
  readonly modRevision: Revision
}

export interface Put {
  readonly key: string
  readonly value: Uint8Array
}

export interface StoreTransaction {
  /** Every key must stand at this revision (0n: must not exist), or nothing happens. */
  readonly expect: readonly { readonly key: string; readonly modRevision: Revision }[]
  readonly puts: readonly Put[]
  readonly deletes: readonly string[]
}

export interface CommitResult {
  /** False when an expectation failed; then nothing was written. */
  readonly ok: boolean
  /** The commit's revision, or the store's current one when it failed. */
  readonly revision: Revision
}

export type StoreEvent =
  | {
      readonly type: 'put'
      readonly key: string
      readonly value: Uint8Array
      readonly createRevision: Revision
      readonly modRevision: Revision
    }
  | {
      readonly type: 'delete'
      readonly key: string
      readonly modRevision: Revision
    }

export interface ListOptions {
  /** Read as of this revision; the current one when left out. Throws `CompactedError` or a `future-revision` error. */
  readonly revision?: Revision
  /** At most this many items; all when left out. */
  readonly limit?: number
  /** Start after this key (exclusive), for the next page. */
  readonly after?: string
}

export interface ListResult {
  /** In byte order of their keys. */
  readonly items: readonly KeyValue[]
  /** The revision that was read. */
  readonly revision: Revision
  readonly more: boolean
  /** How many keys stand behind `items` when `more` is true. */
  readonly remaining: number
}

/**
 * An ordered, versioned, durable map with etcd's semantics. A resolved `commit` is on disk. All methods reject with a
 * `StoreError` when the store cannot serve (disk full, closed, failed).
 */
export interface Store {
  get(key: string): Promise<KeyValue | undefined>
  list(prefix: string, options?: ListOptions): Promise<ListResult>
  commit(transaction: StoreTransaction): Promise<CommitResult>
  /**
   * All changes under the prefix with a revision of at least `from`, in order, one batch per revision or several
   * revisions in one batch but never one revision split over two. Ends (without an error) when the signal aborts.
   * A live event carries the very bytes that were given to `commit`. Throws `CompactedError` when `from` is not after
   * the compacted revision.
   */
  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<readonly StoreEvent[]>
  /** Forgets history up to `revision`: lists at it still work, watches start after it. Current values always stay. */
  compact(revision: Revision): Promise<void>
  /** Count and hash of the live keys under the prefix, to compare a copy with, and the revision they stand for. */
  digest(prefix: string): Promise<StoreDigest & { readonly revision: Revision }>
  currentRevision(): Promise<Revision>
  close(): Promise<void>
}

export type StoreErrorCode =
  | 'compacted'
  | 'future-revision'
  | 'closed'
  | 'full'
  | 'failed'
  | 'locked'
  | 'corrupt'
  | 'unavailable'
  | 'unknown'
  | 'too-large'

/**
 * An operating error of the store. `failed` means it has stopped for good and the process should exit. `unavailable`
 * means that nothing happened and a later try may work. `unknown` is a commit without an answer: it has happened, will
 * still happen, or never will, and whoever depends on it must read again.
 */
export class StoreError extends Error {
  readonly code: StoreErrorCode
  /** Of a failed commit: whether it may be in the store all the same. */
  readonly mayHaveHappened: boolean

  constructor(
    code: StoreErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly mayHaveHappened?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'StoreError'
    this.code = code
    this.mayHaveHappened = options.mayHaveHappened ?? code === 'unknown'
  }
}

export class CompactedError extends StoreError {
  readonly compactRevision: Revision

  constructor(compactRevision: Revision) {
    super('compacted', `the requested revision has been compacted; the oldest one left is ${compactRevision}`)
    this.compactRevision = compactRevision
  }
}

/** What a read at a revision that has not happened yet is answered with. */
export function futureRevisionError(asked: Revision, current: Revision): StoreError {
  return new StoreError('future-revision', `revision ${asked} has not happened yet; the store stands at ${current}`)
}
