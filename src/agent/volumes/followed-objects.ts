import type { KubeObject } from '../../api/object.ts'
import { CONFIG_MAPS, type ResourceType, SECRETS } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { ConfigMap, Secret } from '../../api/types/core-v1.gen.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import { createInformer } from '../../client/create-informer.ts'
import { type ConfigReference, referenceKey } from './file-sources.ts'

export interface FollowOptions {
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  /** What `user` follows is at `version` now; undefined: it is gone. May say what is known already. */
  onChange(user: string, key: string, version: string | undefined): void
  /** How many objects are watched at the same time; the others are asked for in turn. */
  readonly watchesMax?: number
}

/** All watches of a process share one connection, whose streams are counted. */
const WATCHES_MAX = 400
const POLL_MS = 10_000

interface Followed {
  readonly reference: ConfigReference
  readonly users: Set<string>
  /** Ends the watch; undefined for one that is polled. */
  readonly stop: (() => void) | undefined
}

export function typeOf(resource: ConfigReference['resource']): ResourceType<ConfigMap | Secret> {
  return resource === 'configmaps' ? CONFIG_MAPS : SECRETS
}

/**
 * Follows single ConfigMaps and Secrets for those who use them, each once however many they are: a node may see only
 * the objects its pods refer to, so there is nothing to follow as a whole. Tells versions, not objects: who wants to
 * act reads what is there then.
 */
export class FollowedObjects {
  readonly #options: FollowOptions
  readonly #followed = new Map<string, Followed>()
  #watches = 0
  #poll: Timer | undefined
  #closed = false

  constructor(options: FollowOptions) {
    this.#options = options
  }

  /** From now on `user` follows exactly these, by `referenceKey`. */
  follow(user: string, references: ReadonlyMap<string, ConfigReference>): void {
    for (const [key, followed] of this.#followed) {
      if (!references.has(key) && followed.users.delete(user) && followed.users.size === 0) {
        followed.stop?.()
        this.#followed.delete(key)
      }
    }
    if (this.#closed) return
    for (const [key, reference] of references) {
      let followed = this.#followed.get(key)
      if (followed === undefined) {
        followed = { reference, users: new Set(), stop: this.#watch(key, reference) }
        this.#followed.set(key, followed)
        if (followed.stop === undefined) this.#pollSoon()
      }
      followed.users.add(user)
    }
  }

  close(): void {
    this.#closed = true
    this.#poll?.cancel()
    for (const { stop } of this.#followed.values()) stop?.()
    this.#followed.clear()
  }

  #watch(key: string, { resource, namespace, name }: ConfigReference): (() => void) | undefined {
    const { client, clock, logger, watchesMax = WATCHES_MAX } = this.#options
    if (this.#watches >= watchesMax) return undefined
    this.#watches += 1
    const fieldSelector = `metadata.name=${name}`
    const stop = (): void => {
      this.#watches -= 1
      informer.close()
    }
    const informer = createInformer<KubeObject>({
      client,
      type: typeOf(resource),
      clock,
      logger,
      namespace,
      fieldSelector,
    })
    // Said once it is known whether there is such an object, and then whenever it changes.
    void informer.synced.then(() => {
      if (this.#followed.get(key)?.stop !== stop) return
      if (informer.get(namespace, name) === undefined) this.#tell(key, undefined)
      informer.onChange(({ type, object }) =>
        this.#tell(key, type === 'deleted' ? undefined : object.metadata?.resourceVersion),
      )
    })
    return stop
  }

  #tell(key: string, version: string | undefined): void {
    for (const user of this.#followed.get(key)?.users ?? []) this.#options.onChange(user, key, version)
  }

  #pollSoon(): void {
    if (this.#poll !== undefined || this.#closed) return
    this.#poll = this.#options.clock.setTimer(POLL_MS, () => void this.#pollAll())
  }

  /** One after another: however many there are, they cost one request at a time. */
  async #pollAll(): Promise<void> {
    const polled = [...this.#followed.values()].filter(({ stop }) => stop === undefined)
    for (const { reference } of polled) {
      const key = referenceKey(reference)
      if (this.#closed || !this.#followed.has(key)) continue
      try {
        const { namespace, name, resource } = reference
        const object = await this.#options.client.get<KubeObject>(typeOf(resource), { namespace, name })
        this.#tell(key, object.metadata?.resourceVersion)
      } catch (error) {
        if (isReason(error, 'NotFound')) this.#tell(key, undefined)
        else this.#options.logger.debug({ err: error, key }, 'a followed object could not be read')
      }
    }
    this.#poll = undefined
    if (polled.length > 0) this.#pollSoon()
  }
}
