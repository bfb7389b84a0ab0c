import type { Revision, StoreTransaction } from '../../store/store.ts'

/** Writes that wait for the ones before them; further ones are had from the watch alone. */
const COUNT_MAX = 1_024

/** What a transaction puts and deletes. */
export type Changes = Pick<StoreTransaction, 'puts' | 'deletes'>

/**
 * Transactions this server has an answer for while some before them are not in its copy yet, by the revision that each
 * one made. Bounded: what is not kept comes by the watch, later.
 */
export class CommitsAhead {
  readonly #byRevision = new Map<Revision, Changes>()

  get size(): number {
    return this.#byRevision.size
  }

  add(revision: Revision, changes: Changes): void {
    if (this.#byRevision.size < COUNT_MAX) this.#byRevision.set(revision, changes)
  }

  /** The transaction that made this revision, once. */
  take(revision: Revision): Changes | undefined {
    const changes = this.#byRevision.get(revision)
    if (changes !== undefined) this.#byRevision.delete(revision)
    return changes
  }

  /** Drops what a copy that has come to `revision` holds already. */
  forgetUpTo(revision: Revision): void {
    for (const at of this.#byRevision.keys()) if (at <= revision) this.#byRevision.delete(at)
  }

  clear(): void {
    this.#byRevision.clear()
  }
}
