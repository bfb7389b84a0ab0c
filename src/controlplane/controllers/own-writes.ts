import { type KubeObject, objectKey } from '../../api/object.ts'
import type { Informer } from '../../client/informer.ts'

function revisionOf(text: string | undefined): bigint | undefined {
  return text !== undefined && /^\d+$/.test(text) ? BigInt(text) : undefined
}

/**
 * An informer's copy with the caller's own writes laid over it until the informer has caught up with them, so that a
 * controller never decides on a state from before its last write.
 */
export class OwnWrites<T extends KubeObject> {
  readonly #informer: Informer<T>
  readonly #written = new Map<string, T>()

  constructor(informer: Informer<T>) {
    this.#informer = informer
  }

  /** Remembers the server's answer to a create or update. */
  record(object: T): void {
    if (this.#written.size > 1_000) for (const key of [...this.#written.keys()]) this.#pending(key)
    this.#written.set(objectKey(object), object)
  }

  get(namespace: string | undefined, name: string): T | undefined {
    const key = namespace === undefined || namespace === '' ? name : `${namespace}/${name}`
    return this.#pending(key) ?? this.#informer.get(namespace, name)
  }

  /** The given cached objects, each in its newest known form, and the created ones that the copy does not hold yet. */
  overlay(cached: readonly T[], belongs: (object: T) => boolean): readonly T[] {
    if (this.#written.size === 0) return cached
    const result = new Map(cached.map((object) => [objectKey(object), object]))
    for (const key of [...this.#written.keys()]) {
      const written = this.#pending(key)
      if (written === undefined) continue
      if (belongs(written)) result.set(key, written)
      else result.delete(key)
    }
    return [...result.values()]
  }

  /** What was written under this key and is not yet part of the copy. */
  #pending(key: string): T | undefined {
    const written = this.#written.get(key)
    if (written === undefined) return undefined
    const mine = revisionOf(written.metadata?.resourceVersion)
    const seen = revisionOf(this.#informer.resourceVersion)
    if (mine !== undefined && seen !== undefined && seen < mine) return written
    this.#written.delete(key)
    return undefined
  }
}
