import { parseJson } from '../../../api/json.ts'
import type { KubeObject } from '../../../api/object.ts'
import { StatusError } from '../../../api/status-error.ts'
import { type Clock, sleep, type Timer } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { KeyValue, Revision, Store, StoreEvent } from '../../store/store.ts'
import type { ValueTransformer } from '../edge/encryption.ts'
import { storeStatus } from '../store-status.ts'
import { CachedEvent, CachedObject, deepFreeze, withResourceVersion } from './cached-object.ts'
import { type Changes, CommitsAhead } from './commits-ahead.ts'
import { digestAsOf } from './digest-as-of.ts'
import { ResourceCache } from './resource-cache.ts'

const ROOT = '/registry/'
const RETRY_MS = 200
const DIGEST_TRIES = 3
/** How long a read waits for the cache to reach a revision it asks for. */
const FRESH_MS = 3_000

interface Waiter {
  readonly revision: Revision
  readonly resolve: () => void
  readonly timer: Timer
}

/** What the copy takes of an event. */
type Change =
  | Pick<StoreEvent & { readonly type: 'put' }, 'type' | 'key' | 'value' | 'modRevision'>
  | (StoreEvent & { readonly type: 'delete' })

export interface ClusterCacheOptions {
  readonly store: Store
  readonly prefixes: readonly string[]
  readonly transform: ValueTransformer | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Everything in the store, decoded, fed by one watch over all of it, so that one revision says how far the whole copy
 * has come. Writers hand the decoded object over with its bytes, so that nothing is parsed twice, and what they have
 * committed: it is taken without waiting for the watch wherever nothing is missing before it. A copy that cannot be
 * trusted (the watch broke, or `verify` found a difference) answers 503 until it has been read anew.
 */
export class ClusterCache {
  readonly #options: ClusterCacheOptions
  readonly #caches = new Map<string, ResourceCache>()
  readonly #written = new WeakMap<Uint8Array, KubeObject>()
  readonly #resetListeners = new Set<() => void>()
  readonly #stop = new AbortController()
  readonly #waiters = new Set<Waiter>()
  readonly #ahead = new CommitsAhead()
  #round = new AbortController()
  #revision: Revision = 0n
  #serving = false

  constructor(options: ClusterCacheOptions) {
    this.#options = options
    for (const prefix of options.prefixes) this.#caches.set(prefix, new ResourceCache(`${prefix}/`))
  }

  /** Resolves when the first copy is complete; from then on it follows the store. */
  async start(): Promise<void> {
    await this.#load()
    void this.#follow()
  }

  /** Up to where the copy is complete. */
  get revision(): Revision {
    return this.#revision
  }

  get serving(): boolean {
    return this.#serving
  }

  of(storagePrefix: string): ResourceCache {
    if (!this.#serving) {
      throw new StatusError('ServiceUnavailable', 'the cache of the API server is being rebuilt; try again', {
        retryAfterSeconds: 1,
      })
    }
    return this.#caches.get(storagePrefix)!
  }

  /** Tells the cache which object the bytes of a coming write stand for. */
  announce(bytes: Uint8Array, object: KubeObject): void {
    this.#written.set(bytes, object)
  }

  /**
   * Tells the cache that the store has answered: this transaction, which changed something, is all of `revision`. A copy
   * that is complete up to the revision before takes it at once and is complete up to `revision`; the watch, which tells
   * the same later, is not waited for. Where something is missing before it, it waits for that.
   */
  committed(changes: Changes, revision: Revision): void {
    if (!this.#serving || revision <= this.#revision) return
    this.#ahead.add(revision, changes)
    this.#catchUp()
  }

  /** Resolves once the copy holds everything that was committed before the call. Rejects with StatusError. */
  async fresh(): Promise<void> {
    let revision: Revision
    try {
      revision = await this.#options.store.currentRevision()
    } catch (error) {
      throw storeStatus(error)
    }
    if (revision > this.#revision) await this.reach(revision)
  }

  /** Resolves once the copy has come to this revision; rejects with Timeout when that takes too long. */
  reach(revision: Revision): Promise<void> {
    if (this.#revision >= revision) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.setTimer(FRESH_MS, () => {
        this.#waiters.delete(waiter)
        const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }]
        const why = `Too large resource version: ${revision}, current: ${this.#revision}`
        reject(new StatusError('Timeout', why, { causes, retryAfterSeconds: 1 }))
      })
      const waiter: Waiter = { revision, resolve, timer }
      this.#waiters.add(waiter)
    })
  }

  /** Called when the copy is thrown away to be read anew: watchers cannot go on. */
  onReset(listener: () => void): () => void {
    this.#resetListeners.add(listener)
    return () => this.#resetListeners.delete(listener)
  }

  /**
   * Compares the copy with the store by digest of all keys and their revisions; a copy that differs stops serving and is
   * rebuilt. Objects are frozen, so a version that agrees has not been altered. Resolves to true when they agree.
   */
  async verify(): Promise<boolean> {
    const { store, logger } = this.#options
    for (const cache of this.#caches.values()) {
      const agrees = await this.#agrees(store, cache)
      if (!this.#serving) return false
      if (agrees) continue
      logger.error({ prefix: cache.prefix }, 'the cache differs from the store; rebuilding it')
      this.#reset()
      this.#round.abort()
      return false
    }
    return true
  }

  /** Digests of two moments say nothing: what changed in between is asked again, and busy keys are left for next time. */
  async #agrees(store: Store, cache: ResourceCache): Promise<boolean> {
    for (let tries = 0; tries < DIGEST_TRIES; tries++) {
      const stored = await store.digest(cache.prefix)
      await this.reach(stored.revision)
      if (!this.#serving) return false
      const own = digestAsOf(cache, stored.revision)
      if (own !== undefined) return own.count === stored.count && own.hash === stored.hash
    }
    return true
  }

  close(): void {
    this.#stop.abort()
    this.#round.abort()
    for (const { timer } of this.#waiters) timer.cancel()
  }

  async #load(): Promise<void> {
    const { items, revision } = await this.#options.store.list(ROOT)
    const byPrefix = new Map<string, CachedObject[]>([...this.#caches.keys()].map((prefix) => [prefix, []]))
    for (const item of items) {
      const prefix = this.#prefixOf(item.key)
      if (prefix !== undefined) byPrefix.get(prefix)!.push(this.decodeStored(item))
    }
    for (const [prefix, objects] of byPrefix) this.#caches.get(prefix)!.fill(objects, revision)
    this.#advance(revision)
    this.#serving = true
  }

  /** Watches; whenever that ends, throws the copy away and reads it anew, until closed. */
  async #follow(): Promise<void> {
    const { store, clock, logger } = this.#options
    while (!this.#stop.signal.aborted) {
      this.#round = new AbortController()
      try {
        for await (const batch of store.watch(ROOT, this.#revision + 1n, this.#round.signal)) this.#apply(batch)
      } catch (error) {
        if (!this.#stop.signal.aborted) logger.error({ err: error }, 'the watch of the store failed')
      }
      if (this.#stop.signal.aborted) return
      this.#reset()
      while (!this.#serving && !this.#stop.signal.aborted) {
        try {
          await this.#load()
        } catch (error) {
          logger.error({ err: error }, 'the store could not be read into the cache')
          await sleep(clock, RETRY_MS, this.#stop.signal)
        }
      }
    }
  }

  #reset(): void {
    this.#serving = false
    this.#ahead.clear()
    for (const listener of [...this.#resetListeners]) listener()
  }

  /** Takes what the watch tells, and own writes that only waited for it. */
  #apply(batch: readonly StoreEvent[]): void {
    this.#take(batch, batch.at(-1)!.modRevision)
    this.#catchUp()
  }

  /** Takes own writes for as long as the next revision is one of them. */
  #catchUp(): void {
    for (;;) {
      const modRevision = this.#revision + 1n
      const changes = this.#ahead.take(modRevision)
      if (changes === undefined) return
      const puts = changes.puts.map(({ key, value }) => ({ type: 'put' as const, key, value, modRevision }))
      const deletes = changes.deletes.map((key) => ({ type: 'delete' as const, key, modRevision }))
      this.#take([...puts, ...deletes], modRevision)
    }
  }

  /** Takes changes that end with the revision `upTo`; those it has already are passed over. */
  #take(changes: readonly Change[], upTo: Revision): void {
    for (const event of changes) {
      const prefix = this.#prefixOf(event.key)
      if (prefix === undefined || event.modRevision <= this.#revision) continue
      const cache = this.#caches.get(prefix)!
      const previous = cache.get(event.key)
      if (event.type === 'put')
        cache.apply(new CachedEvent(previous === undefined ? 'ADDED' : 'MODIFIED', this.decodeStored(event), previous))
      else if (previous !== undefined) {
        // A deletion is told with the object's last state and the revision of its end.
        const object = deepFreeze(withResourceVersion(previous.object, event.modRevision))
        const last = new CachedObject(event.key, object, event.modRevision, previous.size)
        cache.apply(new CachedEvent('DELETED', last, previous))
      }
    }
    this.#advance(upTo)
  }

  #advance(revision: Revision): void {
    if (revision > this.#revision) this.#revision = revision
    this.#ahead.forgetUpTo(this.#revision)
    for (const waiter of this.#waiters) {
      if (waiter.revision > this.#revision) continue
      this.#waiters.delete(waiter)
      waiter.timer.cancel()
      waiter.resolve()
    }
  }

  /** An entry of the store as an object; not parsed when this server wrote it. */
  decodeStored({ key, value, modRevision }: Pick<KeyValue, 'key' | 'value' | 'modRevision'>): CachedObject {
    let object = this.#written.get(value)
    if (object === undefined) {
      const plain = this.#options.transform?.fromStorage(key, value) ?? value
      object = parseJson(plain).value as KubeObject
    }
    return new CachedObject(key, deepFreeze(withResourceVersion(object, modRevision)), modRevision, value.length)
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
