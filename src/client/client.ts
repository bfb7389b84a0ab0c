import type { KubeObject } from '../api/object.ts'
import type { ResourceType } from '../api/resource-type.ts'
import type { WatchEvent } from './transport.ts'

export interface ObjectRef {
  readonly namespace?: string | undefined
  readonly name: string
}

export interface ListParameters {
  readonly namespace?: string | undefined
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly limit?: number
  readonly continue?: string
  readonly resourceVersion?: string
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan'
  readonly signal?: AbortSignal
}

export interface WatchParameters extends ListParameters {
  readonly allowWatchBookmarks?: boolean
  readonly sendInitialEvents?: boolean
  readonly timeoutSeconds?: number
}

export interface DeleteParameters {
  readonly gracePeriodSeconds?: number
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string }
}

export interface ListResult<T> {
  readonly items: readonly T[]
  readonly resourceVersion: string
  readonly continue: string | undefined
}

export type PatchType =
  | 'application/json-patch+json'
  | 'application/merge-patch+json'
  | 'application/strategic-merge-patch+json'

/** Typed calls on any resource. Every method throws `StatusError` when the server refuses. Results are immutable. */
export interface Client {
  get<T extends KubeObject>(type: ResourceType<T>, ref: ObjectRef): Promise<T>
  list<T extends KubeObject>(type: ResourceType<T>, parameters?: ListParameters): Promise<ListResult<T>>
  watch<T extends KubeObject>(type: ResourceType<T>, parameters: WatchParameters): Promise<AsyncIterable<WatchEvent<T>>>
  /** The namespace comes from the object's metadata; apiVersion and kind are filled in. */
  create<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T>
  update<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T>
  updateStatus<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<T>
  patch<T extends KubeObject>(
    type: ResourceType<T>,
    ref: ObjectRef,
    patch: unknown,
    options?: { readonly type?: PatchType; readonly subresource?: string },
  ): Promise<T>
  delete(type: ResourceType, ref: ObjectRef, parameters?: DeleteParameters): Promise<void>
  /** POST to a subresource (`binding`, `eviction`, `token`). */
  createSubresource(type: ResourceType, ref: ObjectRef, subresource: string, body: unknown): Promise<unknown>
  /** PUT to a subresource that has no method of its own (`finalize`). */
  updateSubresource(type: ResourceType, ref: ObjectRef, subresource: string, body: unknown): Promise<unknown>
}
