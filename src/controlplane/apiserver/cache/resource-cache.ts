import type { Revision } from '../../store/store.ts'
import type { CachedEvent, CachedObject } from './cached-object.ts'

/** How many recent events of a resource a watch can resume from. */
const RECENT_MAX = 4_096
/** The newest of them keep their encodings for the watchers that are just sending them. */
const ENCODED_MAX = 128

export type EventListener = (event: CachedEvent) => void

/** All objects under one storage prefix, in key order, with the recent changes. Filled by the ClusterCache. */
export class ResourceCache {
  readonly prefix: string
  readonly #objects = new Map<string, CachedObject>()
  /** Keys in order; lists and pages walk it. */
  #keys: string[] = []
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
  *range(prefix: string, after?: string): Generator<CachedObject> {
    for (
      let i = this.#position(after === undefined || after < prefix ? prefix : `${after}\0`);
      i < this.#keys.length;
      i++
    ) {
      const key = this.#keys[i]!
      if (!key.startsWith(prefix)) return
      yield this.#objects.get(key)!
    }
  }

  /** Takes over a full list read at `revision`; what differs from before becomes no event: watchers are ended by the caller. */
  fill(objects: readonly CachedObject[], revision: Revision): void {
    this.#objects.clear()
    for (const object of objects) this.#objects.set(object.key, object)
    this.#keys = objects.map(({ key }) => key)
    this.#recent = []
    this.#forgotten = revision
    this.#lastChange = revision
  }

  apply(event: CachedEvent): void {
    const { key, revision } = event.current
    if (event.type === 'DELETED') {
      this.#objects.delete(key)
      const at = this.#position(key)
      if (this.#keys[at] === key) this.#keys.splice(at, 1)
    } else {
      if (!this.#objects.has(key)) this.#keys.splice(this.#position(key), 0, key)
      this.#objects.set(key, event.current)
    }
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

  /** Index of the first key that is not less than this one. */
  #position(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
