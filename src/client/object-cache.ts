import { type KubeObject, objectKey } from '../api/object.ts'

/** Objects by `namespace/name`, by namespace, and by the indexes given. */
export class ObjectCache<T extends KubeObject> {
  readonly #objects = new Map<string, T>()
  readonly #byNamespace = new Map<string, Map<string, T>>()
  readonly #indexers = new Map<string, (object: T) => readonly string[]>()
  readonly #indexes = new Map<string, Map<string, Map<string, T>>>()

  constructor(indexers: Readonly<Record<string, (object: T) => readonly string[]>>) {
    this.addIndexes(indexers)
  }

  /** Adds indexes, also to what is already there; one that exists under the same name is kept. */
  addIndexes(indexers: Readonly<Record<string, (object: T) => readonly string[]>>): void {
    for (const [name, indexer] of Object.entries(indexers)) {
      if (this.#indexers.has(name)) continue
      this.#indexers.set(name, indexer)
      const index = new Map<string, Map<string, T>>()
      this.#indexes.set(name, index)
      for (const [key, object] of this.#objects) for (const at of indexer(object)) put(index, at, key, object)
    }
  }

  get(key: string): T | undefined {
    return this.#objects.get(key)
  }

  keys(): readonly string[] {
    return [...this.#objects.keys()]
  }

  list(namespace?: string): readonly T[] {
    const objects = namespace === undefined ? this.#objects : this.#byNamespace.get(namespace)
    return objects === undefined ? [] : [...objects.values()]
  }

  byIndex(index: string, key: string): readonly T[] {
    const objects = this.#indexes.get(index)?.get(key)
    return objects === undefined ? [] : [...objects.values()]
  }

  /** Puts an object in; returns the one it replaces. */
  set(object: T): T | undefined {
    const key = objectKey(object)
    const previous = this.#objects.get(key)
    if (previous !== undefined) this.#unindex(key, previous)
    this.#objects.set(key, object)
    put(this.#byNamespace, object.metadata?.namespace ?? '', key, object)
    for (const [name, index] of this.#indexes)
      for (const at of this.#indexers.get(name)!(object)) put(index, at, key, object)
    return previous
  }

  delete(key: string): T | undefined {
    const previous = this.#objects.get(key)
    if (previous === undefined) return undefined
    this.#unindex(key, previous)
    this.#objects.delete(key)
    return previous
  }

  #unindex(key: string, object: T): void {
    take(this.#byNamespace, object.metadata?.namespace ?? '', key)
    for (const [name, index] of this.#indexes) for (const at of this.#indexers.get(name)!(object)) take(index, at, key)
  }
}

function put<T>(index: Map<string, Map<string, T>>, at: string, key: string, object: T): void {
  const bucket = index.get(at)
  if (bucket === undefined) index.set(at, new Map([[key, object]]))
  else bucket.set(key, object)
}

function take<T>(index: Map<string, Map<string, T>>, at: string, key: string): void {
  const bucket = index.get(at)
  bucket?.delete(key)
  if (bucket?.size === 0) index.delete(at)
}
