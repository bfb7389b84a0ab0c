import type { Revision } from '../../store/store.ts'
import type { CachedEvent, CachedObject } from './cached-object.ts'
import { SortedObjects } from './sorted-objects.ts'

/** How many recent events of a resource a watch can resume from. */
const RECENT_MAX = 4_096
/** The newest of them keep their encodings for the watchers that are just sending them. */
const ENCODED_MAX = 128

export type EventListener = (event: CachedEvent) => void

/** All objects under one storage prefix, in key order, with the recent changes. Filled by the ClusterCache. */
export class ResourceCache {
  readonly prefix: string
  readonly #objects = new SortedObjects()
  #recent: CachedEvent[] = []
  /** Changes up to this revision are no longer in `#recent`. */
  #forgotten: Revision = 0n
  #lastChange: Revision = 0n
  readonly #listeners = new Set<EventListener>()

  constructor(prefix: string) {
    this.prefix = prefix
  }

  get size(): number {
    return this.#objects.size
  }

  /** Watches that follow it now. */
  get watches(): number {
    return this.#listeners.size
  }

  /** The revision of the last change of any object here. */
  get lastChange(): Revision {
    return this.#lastChange
  }

  /** A watch can resume from this revision on. */
  get oldest(): Revision {
    return this.#forgotten
  }

  get(key: string): CachedObject | undefined {
    return this.#objects.get(key)
  }

  /** Objects whose keys start with `prefix`, in order, from behind `after`. */
  range(prefix: string, after?: string): Generator<CachedObject> {
    return this.#objects.range(prefix, after)
  }

  /** How many objects `range` would still give behind this key. */
  count(prefix: string, after: string): number {
    return this.#objects.count(prefix, after)
  }

  /** Takes over a full list read at `revision`; what differs from before becomes no event: watchers are ended by the caller. */
  fill(objects: readonly CachedObject[], revision: Revision): void {
    this.#objects.fill(objects)
    this.#recent = []
    this.#forgotten = revision
    this.#lastChange = revision
  }

  apply(event: CachedEvent): void {
    const { key, revision } = event.current
    if (event.type === 'DELETED') this.#objects.delete(key)
    else this.#objects.set(event.current)
    this.#lastChange = revision
    this.#recent.push(event)
    this.#recent.at(-1 - ENCODED_MAX)?.forgetEncodings()
    if (this.#recent.length > RECENT_MAX * 1.25) {
      const gone = this.#recent.splice(0, this.#recent.length - RECENT_MAX)
      this.#forgotten = gone.at(-1)!.current.revision
    }
    for (const listener of this.#listeners) listener(event)
  }

  /** The changes after `revision`; undefined when some of them are forgotten. */
  since(revision: Revision): readonly CachedEvent[] | undefined {
    if (revision < this.#forgotten) return undefined
    let from = this.#recent.length
    while (from > 0 && this.#recent[from - 1]!.current.revision > revision) from -= 1
    return this.#recent.slice(from)
  }

  /** Called for each later event, synchronously; returns the way to stop. */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
