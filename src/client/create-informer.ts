import { type KubeObject, objectKey } from '../api/object.ts'
import type { ResourceType } from '../api/resource-type.ts'
import { isReason, StatusError } from '../api/status-error.ts'
import type { Status } from '../api/types/meta-v1.gen.ts'
import { type Clock, sleep } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Client } from './client.ts'
import type { Change, Informer } from './informer.ts'
import { ObjectCache } from './object-cache.ts'

export interface InformerOptions<T extends KubeObject> {
  readonly client: Client
  readonly type: ResourceType<T>
  readonly clock: Clock
  readonly logger: Logger
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Index name → the keys under which an object is found. */
  readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>>
  readonly random?: () => number
}

export interface RunningInformer<T extends KubeObject> extends Informer<T> {
  addIndexes(indexes: Readonly<Record<string, (object: T) => readonly string[]>>): void
  close(): void
}

const PAGE = 2_000
const RETRY_MS_MIN = 20
const RETRY_MS_MAX = 10_000
/** A watch that ends sooner than this and has told nothing is a failure, not the server's usual way to end one. */
const SHORT_WATCH_MS = 1_000
/** Watches are asked to last for five to ten minutes, so that those of many clients do not all end together. */
const WATCH_SECONDS_MIN = 300

/** The version is behind what the server remembers, or ahead of a server that has begun anew: only a new list helps. */
function isOver(error: unknown): boolean {
  if (isReason(error, 'Expired') || isReason(error, 'Gone')) return true
  return (
    error instanceof StatusError &&
    error.details?.causes?.some(({ reason }) => reason === 'ResourceVersionTooLarge') === true
  )
}

/**
 * Keeps a local copy of a resource: one list, then a watch from there, resumed where it ended; after 410, or before a
 * server that has lost its past, a new list whose difference to the copy reaches the handlers as exact changes. The copy
 * is never emptied because a list failed.
 */
export function createInformer<T extends KubeObject>(options: InformerOptions<T>): RunningInformer<T> {
  const { client, type, clock, logger } = options
  const random = options.random ?? Math.random
  const cache = new ObjectCache<T>(options.indexes ?? {})
  let handlers: readonly ((change: Change<T>) => void)[] = []
  const stop = new AbortController()
  const synced = Promise.withResolvers<void>()
  let resourceVersion = ''
  let retryMs = RETRY_MS_MIN
  /** True when the last relist because the version was of no use has led to nothing yet. */
  let relistedInVain = false

  const emit = (change: Change<T>): void => {
    for (const handler of handlers) {
      try {
        handler(change)
      } catch (error) {
        // A bug, and not the list's or the watch's: crash loudly rather than try the same again.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
  const set = (object: T): void => {
    const previous = cache.set(object)
    if (previous === undefined) emit({ type: 'added', object })
    else if (previous.metadata?.resourceVersion !== object.metadata?.resourceVersion) {
      const replaced = previous.metadata?.uid !== object.metadata?.uid
      if (replaced) emit({ type: 'deleted', object: previous })
      emit(replaced ? { type: 'added', object } : { type: 'modified', object, previous })
    }
  }
  const remove = (key: string, last?: T): void => {
    const previous = cache.delete(key)
    if (previous !== undefined) emit({ type: 'deleted', object: last ?? previous })
  }
  const selection = {
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    ...(options.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }),
    ...(options.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector }),
  }

  const relist = async (): Promise<void> => {
    const items: T[] = []
    let next: string | undefined
    let version = ''
    do {
      const page = await client.list(type, {
        ...selection,
        limit: PAGE,
        signal: stop.signal,
        ...(next === undefined ? {} : { continue: next }),
      })
      for (const item of page.items) items.push(item)
      version = page.resourceVersion
      next = page.continue
    } while (next !== undefined)
    if (stop.signal.aborted) return
    const present = new Set(items.map(objectKey))
    for (const key of cache.keys()) if (!present.has(key)) remove(key)
    for (const item of items) set(item)
    resourceVersion = version
    synced.resolve()
  }

  /** Follows the watch until it ends; throws StatusError Expired when the place to resume from is gone. */
  const follow = async (): Promise<void> => {
    const began = clock.monotonic()
    let told = false
    const events = await client.watch(type, {
      ...selection,
      resourceVersion,
      allowWatchBookmarks: true,
      timeoutSeconds: Math.floor(WATCH_SECONDS_MIN * (1 + random())),
      signal: stop.signal,
    })
    for await (const event of events) {
      if (stop.signal.aborted) return
      if (event.type === 'ERROR') {
        const status = event.object as unknown as Status
        throw new StatusError(
          (status.reason ?? 'InternalError') as StatusError['reason'],
          status.message ?? 'the watch failed',
          status.details,
          status.code,
        )
      }
      if (event.type === 'DELETED') remove(objectKey(event.object), event.object)
      else if (event.type !== 'BOOKMARK') set(event.object)
      resourceVersion = event.object.metadata?.resourceVersion ?? resourceVersion
      told = true
      relistedInVain = false
      retryMs = RETRY_MS_MIN
    }
    if (!told && clock.monotonic() - began < SHORT_WATCH_MS) throw new Error('the watch ended at once')
    retryMs = RETRY_MS_MIN
  }

  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        if (resourceVersion === '') await relist()
        if (!stop.signal.aborted) await follow()
      } catch (error) {
        if (stop.signal.aborted) break
        if (isOver(error)) {
          resourceVersion = ''
          // A server whose new lists are of no use either is asked again no faster than a broken one.
          if (!relistedInVain) {
            relistedInVain = true
            continue
          }
        }
        logger.debug({ err: error, resource: type.resource, retryMs }, 'list or watch failed; trying again')
        await sleep(clock, retryMs * (0.5 + random()), stop.signal)
        retryMs = Math.min(RETRY_MS_MAX, retryMs * 2)
      }
    }
  }
  void run()

  return {
    synced: synced.promise,
    get: (namespace, name) => cache.get(namespace === undefined || namespace === '' ? name : `${namespace}/${name}`),
    list: (namespace) => cache.list(namespace),
    byIndex: (index, key) => cache.byIndex(index, key),
    onChange(handler) {
      for (const object of cache.list()) handler({ type: 'added', object })
      // A new list each time: one that is being walked through does not grow, and nobody hears a change twice.
      handlers = [...handlers, handler]
      return () => {
        handlers = handlers.filter((other) => other !== handler)
      }
    },
    get resourceVersion() {
      return resourceVersion
    },
    addIndexes: (indexes) => cache.addIndexes(indexes),
    close: () => stop.abort(),
  }
}
