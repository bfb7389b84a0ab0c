import { parseJson } from '../../../api/json.ts'
import type { KubeObject } from '../../../api/object.ts'
import { StatusError } from '../../../api/status-error.ts'
import { type Clock, sleep } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { KeyValue, Revision, Store, StoreEvent } from '../../store/store.ts'
import type { ValueTransformer } from '../edge/encryption.ts'
import { CachedEvent, CachedObject, withResourceVersion } from './cached-object.ts'
import { ResourceCache } from './resource-cache.ts'

const ROOT = '/registry/'
const RETRY_MS = 200
/** How long a read waits for the cache to reach a revision it asks for. */
const FRESH_MS = 3_000

interface Waiter {
  readonly revision: Revision
  readonly resolve: () => void
}

export interface ClusterCacheOptions {
  readonly store: Store
  readonly prefixes: readonly string[]
  readonly transform: ValueTransformer | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Everything in the store, decoded, fed by one watch over all of it, so that one revision says how far the whole copy
 * has come. Writers hand the decoded object over with its bytes, so that nothing is parsed twice.
 */
export class ClusterCache {
  readonly #options: ClusterCacheOptions
  readonly #caches = new Map<string, ResourceCache>()
  readonly #written = new WeakMap<Uint8Array, KubeObject>()
  readonly #resetListeners = new Set<() => void>()
  readonly #stop = new AbortController()
  #waiters: Waiter[] = []
  #revision: Revision = 0n
  #serving = false

  constructor(options: ClusterCacheOptions) {
    this.#options = options
    for (const prefix of options.prefixes) this.#caches.set(prefix, new ResourceCache(`${prefix}/`))
  }

  /** Resolves when the first copy is complete; from then on it follows the store. */
  async start(): Promise<void> {
    const from = await this.#load()
    void this.#follow(from)
  }

  /** Up to where the copy is complete. */
  get revision(): Revision {
    return this.#revision
  }

  of(storagePrefix: string): ResourceCache {
    if (!this.#serving)
      throw new StatusError('ServiceUnavailable', 'the cache of the API server is being rebuilt; try again')
    return this.#caches.get(storagePrefix)!
  }

  /** Tells the cache which object the bytes of a coming write stand for. */
  announce(bytes: Uint8Array, object: KubeObject): void {
    this.#written.set(bytes, object)
  }

  /** Resolves once the copy holds everything that was committed before the call. */
  async fresh(): Promise<void> {
    const revision = await this.#options.store.currentRevision()
    if (revision > this.#revision) await this.reach(revision)
  }

  /** Resolves once the copy has come to this revision; throws Timeout when that takes too long. */
  async reach(revision: Revision): Promise<void> {
    if (this.#revision >= revision) return
    const current = await this.#options.store.currentRevision()
    const waiting = new Promise<void>((resolve) => this.#waiters.push({ revision, resolve }))
    const limit = new AbortController()
    const late = sleep(this.#options.clock, FRESH_MS, limit.signal).then(() => 'late' as const)
    const outcome = await Promise.race([waiting, late])
    limit.abort()
    if (outcome === 'late' && this.#revision < revision) {
      const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }]
      throw new StatusError('Timeout', `Too large resource version: ${revision}, current: ${current}`, {
        causes,
        retryAfterSeconds: 1,
      })
    }
  }

  /** Called when the copy was thrown away and read anew: watchers cannot go on. */
  onReset(listener: () => void): () => void {
    this.#resetListeners.add(listener)
    return () => this.#resetListeners.delete(listener)
  }

  /**
   * Compares the copy with the store, key by key and revision by revision, at one revision; a copy that differs stops
   * serving and is rebuilt. Resolves to true when they agree.
   */
  async verify(): Promise<boolean> {
    const { store, logger } = this.#options
    for (const cache of this.#caches.values()) {
      const { items, revision } = await store.list(cache.prefix)
      await this.reach(revision)
      // A later change of this resource says nothing about a difference: it is looked at next time.
      if (cache.lastChange > revision) continue
      const agree =
        items.length === cache.size && items.every(({ key, modRevision }) => cache.get(key)?.revision === modRevision)
      if (agree) continue
      logger.error({ prefix: cache.prefix }, 'the cache differs from the store; rebuilding it')
      this.#serving = false
      for (const listener of this.#resetListeners) listener()
      const from = await this.#load()
      void from
      return false
    }
    return true
  }

  close(): void {
    this.#stop.abort()
  }

  async #load(): Promise<Revision> {
    const { store } = this.#options
    const { items, revision } = await store.list(ROOT)
    const byPrefix = new Map<string, CachedObject[]>([...this.#caches.keys()].map((prefix) => [prefix, []]))
    for (const item of items) {
      const prefix = this.#prefixOf(item.key)
      if (prefix !== undefined) byPrefix.get(prefix)!.push(this.decodeStored(item))
    }
    for (const [prefix, objects] of byPrefix) this.#caches.get(prefix)!.fill(objects, revision)
    this.#advance(revision)
    this.#serving = true
    return revision
  }

  async #follow(from: Revision): Promise<void> {
    const { store, clock, logger } = this.#options
    while (!this.#stop.signal.aborted) {
      try {
        for await (const batch of store.watch(ROOT, this.#revision + 1n, this.#stop.signal)) this.#apply(batch)
        if (this.#stop.signal.aborted) return
        throw new Error('the watch of the store ended')
      } catch (error) {
        if (this.#stop.signal.aborted) return
        logger.error({ err: error, from: String(from) }, 'the watch of the store failed; reading everything anew')
        await sleep(clock, RETRY_MS, this.#stop.signal)
        this.#serving = false
        for (const listener of this.#resetListeners) listener()
        await this.#load().catch((cause) => logger.error({ err: cause }, 'the store could not be read'))
      }
    }
  }

  #apply(batch: readonly StoreEvent[]): void {
    for (const event of batch) {
      const prefix = this.#prefixOf(event.key)
      if (prefix === undefined || event.modRevision <= this.#revision) continue
      const cache = this.#caches.get(prefix)!
      const previous = cache.get(event.key)
      if (event.type === 'put')
        cache.apply(new CachedEvent(previous === undefined ? 'ADDED' : 'MODIFIED', this.decodeStored(event), previous))
      else if (previous !== undefined) {
        // A deletion is told with the object's last state and the revision of its end.
        const last = new CachedObject(
          event.key,
          withResourceVersion(previous.object, event.modRevision),
          event.modRevision,
        )
        cache.apply(new CachedEvent('DELETED', last, previous))
      }
    }
    this.#advance(batch.at(-1)!.modRevision)
  }

  #advance(revision: Revision): void {
    if (revision > this.#revision) this.#revision = revision
    if (this.#waiters.length === 0) return
    const ready = this.#waiters.filter((waiter) => waiter.revision <= this.#revision)
    if (ready.length === 0) return
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > this.#revision)
    for (const { resolve } of ready) resolve()
  }

  /** An entry of the store as an object; not copied when this server wrote it. */
  decodeStored({ key, value, modRevision }: Pick<KeyValue, 'key' | 'value' | 'modRevision'>): CachedObject {
    const known = this.#written.get(value)
    if (known !== undefined) return new CachedObject(key, withResourceVersion(known, modRevision), modRevision)
    const plain = this.#options.transform?.fromStorage(key, value) ?? value
    const object = parseStored(plain)
    return new CachedObject(key, withResourceVersion(object, modRevision), modRevision)
  }

  #prefixOf(key: string): string | undefined {
    // `/registry/pods/ns/name`, but `/registry/services/specs/ns/name`: the longest prefix that is a resource's.
    const first = key.indexOf('/', ROOT.length)
    const second = key.indexOf('/', first + 1)
    const long = second < 0 ? '' : key.slice(0, second)
    if (this.#caches.has(long)) return long
    const short = key.slice(0, first)
    return this.#caches.has(short) ? short : undefined
  }
}

function parseStored(bytes: Uint8Array): KubeObject {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  return parseJson(text).value as KubeObject
}
