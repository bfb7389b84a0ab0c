import type { KubeObject } from '../api/object.ts'

export type Change<T> =
  | { readonly type: 'added'; readonly object: T }
  | { readonly type: 'modified'; readonly object: T; readonly previous: T }
  | { readonly type: 'deleted'; readonly object: T }

/** A local, always-current copy of a resource (list, then watch, resumed for ever), with indexes and change handlers. */
export interface Informer<T extends KubeObject> {
  /** Resolves when the first list has been taken over. */
  readonly synced: Promise<void>
  get(namespace: string | undefined, name: string): T | undefined
  /** All objects, or those of one namespace. */
  list(namespace?: string): readonly T[]
  /** Objects under one key of an index given at creation. */
  byIndex(index: string, key: string): readonly T[]
  /** Called for every object there is and then for every change, synchronously and in order; returns the way to stop. */
  onChange(handler: (change: Change<T>) => void): () => void
  /** The resourceVersion up to which this copy is complete. */
  readonly resourceVersion: string
}
