import type { KubeObject } from '../../api/object.ts'
import type { Revision } from '../store/store.ts'

/**
 * What makes the writes of an elected part harmless once another one is elected: each carries the revision of the Lease
 * at which this part was its holder, and the store refuses it when the Lease has moved since. A renewal moves it, too;
 * then the write is tried again at the new revision if the Lease is still held by the same term.
 */
export interface Fence {
  /** The Lease's storage key. */
  readonly key: string
  /** The newest revision of the Lease that this part knows to be its own; undefined when it does not lead. */
  revision(): Revision | undefined
  /** Whether this version of the Lease is of the term that the part leads in. */
  isHeld(lease: KubeObject): boolean
}
