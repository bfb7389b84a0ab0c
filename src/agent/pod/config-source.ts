import type { KubeObject } from '../../api/object.ts'
import { CONFIG_MAPS, type ResourceType, SECRETS } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { ConfigMap, Secret } from '../../api/types/core-v1.gen.ts'
import type { Client } from '../../client/client.ts'

/** Gives the ConfigMaps and Secrets that exist among the names asked for. */
export interface ConfigSource {
  configMaps(namespace: string, names: ReadonlySet<string>): Promise<ReadonlyMap<string, ConfigMap>>
  secrets(namespace: string, names: ReadonlySet<string>): Promise<ReadonlyMap<string, Secret>>
}

const REMEMBERED_MAX = 1_000

/**
 * Asks the API each time, so that a container starts with what is there now. While the API does not answer, the last
 * answer counts: containers can be restarted without a control plane.
 */
export class ApiConfigSource implements ConfigSource {
  readonly #client: Client
  readonly #remembered = new Map<string, KubeObject | undefined>()

  constructor(client: Client) {
    this.#client = client
  }

  configMaps(namespace: string, names: ReadonlySet<string>): Promise<ReadonlyMap<string, ConfigMap>> {
    return this.#all(CONFIG_MAPS, namespace, names)
  }

  secrets(namespace: string, names: ReadonlySet<string>): Promise<ReadonlyMap<string, Secret>> {
    return this.#all(SECRETS, namespace, names)
  }

  async #all<T extends KubeObject>(
    type: ResourceType<T>,
    namespace: string,
    names: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, T>> {
    const found = await Promise.all(
      [...names].map(async (name) => [name, await this.#one(type, namespace, name)] as const),
    )
    return new Map(found.filter((entry): entry is [string, T] => entry[1] !== undefined))
  }

  async #one<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string): Promise<T | undefined> {
    const key = `${type.resource}/${namespace}/${name}`
    let answer: T | undefined
    try {
      answer = await this.#client.get(type, { namespace, name })
    } catch (error) {
      if (!isReason(error, 'NotFound')) {
        if (this.#remembered.has(key)) return this.#remembered.get(key) as T | undefined
        throw error
      }
    }
    this.#remembered.delete(key)
    this.#remembered.set(key, answer)
    if (this.#remembered.size > REMEMBERED_MAX) this.#remembered.delete(this.#remembered.keys().next().value!)
    return answer
  }
}
