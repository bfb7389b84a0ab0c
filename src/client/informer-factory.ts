import type { KubeObject } from '../api/object.ts'
import { apiVersionOf, type ResourceType } from '../api/resource-type.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Client } from './client.ts'
import { createInformer, type RunningInformer } from './create-informer.ts'
import type { Informer } from './informer.ts'

/** One shared informer a resource, for all parts of a process. */
export interface InformerFactory {
  /** Starts it at the first call; indexes asked for later are added to the same copy. */
  for<T extends KubeObject>(
    type: ResourceType<T>,
    options?: { readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>> },
  ): Informer<T>
  /** Resolves when every informer asked for so far has its first list. */
  synced(): Promise<void>
  close(): void
}

export function createInformerFactory(options: {
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
}): InformerFactory {
  const informers = new Map<string, RunningInformer<never>>()
  return {
    for<T extends KubeObject>(
      type: ResourceType<T>,
      { indexes = {} }: { readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>> } = {},
    ): Informer<T> {
      const key = `${apiVersionOf(type)}/${type.resource}`
      const existing = informers.get(key) as RunningInformer<T> | undefined
      if (existing !== undefined) {
        existing.addIndexes(indexes)
        return existing
      }
      const informer = createInformer<T>({ ...options, type, indexes })
      informers.set(key, informer as unknown as RunningInformer<never>)
      return informer
    },
    async synced() {
      await Promise.all([...informers.values()].map((informer) => informer.synced))
    },
    close() {
      for (const informer of informers.values()) informer.close()
    },
  }
}
