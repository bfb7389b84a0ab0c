import { CONFIG_MAPS } from '../../../src/api/resource-type.ts'
import { isReason, StatusError } from '../../../src/api/status-error.ts'
import type { ConfigMap } from '../../../src/api/types/core-v1.gen.ts'
import type { Client } from '../../../src/client/client.ts'
import {
  type CommitResult,
  type KeyValue,
  type Revision,
  type Store,
  StoreError,
  type StoreEvent,
  type StoreTransaction,
} from '../../../src/controlplane/store/store.ts'

const NAMESPACE = 'default'
const nameOf = (key: string): string => key.slice(1).replaceAll('/', '-')
const keyOf = (name: string): string => `/${name.replace('-', '/')}`

function failure(error: unknown): StoreError {
  if (!(error instanceof StatusError)) return new StoreError('unknown', String(error))
  // 503 says that nothing has happened; a client may send the same again.
  return new StoreError(error.code === 503 ? 'unavailable' : 'unknown', `${error.code} ${error.message}`)
}

/**
 * The API of a cluster as what the validator of histories knows: keys are ConfigMaps, revisions their resourceVersions.
 * Writes go to one server after the other; so what they say of each other's is tried, too.
 */
export class ApiStore implements Pick<Store, 'get' | 'list' | 'commit' | 'watch' | 'currentRevision'> {
  readonly #clients: readonly Client[]
  /** Where the watch is: a client that fails over by itself. */
  readonly #watcher: Client
  #turn = 0

  constructor(clients: readonly Client[], watcher: Client) {
    this.#clients = clients
    this.#watcher = watcher
  }

  get #client(): Client {
    this.#turn += 1
    return this.#clients[this.#turn % this.#clients.length]!
  }

  async get(key: string): Promise<KeyValue | undefined> {
    try {
      return this.#keyValue(await this.#client.get(CONFIG_MAPS, { namespace: NAMESPACE, name: nameOf(key) }))
    } catch (error) {
      if (isReason(error, 'NotFound')) return undefined
      throw new StoreError('unavailable', String(error))
    }
  }

  async list(): Promise<Awaited<ReturnType<Store['list']>>> {
    const { items, resourceVersion } = await this.#client.list(CONFIG_MAPS, { namespace: NAMESPACE })
    const own = items.filter(({ metadata }) => metadata?.name?.startsWith('h-'))
    return {
      items: own.map((map) => this.#keyValue(map)),
      revision: BigInt(resourceVersion),
      more: false,
      remaining: 0,
    }
  }

  async commit({ expect, puts, deletes }: StoreTransaction): Promise<CommitResult> {
    const client = this.#client
    const expected = expect[0]?.modRevision
    const resourceVersion = expected === undefined || expected === 0n ? undefined : String(expected)
    try {
      const put = puts[0]
      if (put === undefined) {
        // Its revision is told by the watch alone.
        await client.delete(
          CONFIG_MAPS,
          { namespace: NAMESPACE, name: nameOf(deletes[0]!) },
          resourceVersion === undefined ? {} : { preconditions: { resourceVersion } },
        )
        return { ok: true, revision: 0n }
      }
      const map: ConfigMap = {
        metadata: {
          namespace: NAMESPACE,
          name: nameOf(put.key),
          ...(resourceVersion === undefined ? {} : { resourceVersion }),
        },
        data: { value: Buffer.from(put.value).toString() },
      }
      const written = await this.#put(client, map, expected)
      return { ok: true, revision: BigInt(written.metadata?.resourceVersion ?? '0') }
    } catch (error) {
      const refused = ['NotFound', 'AlreadyExists', 'Conflict'] as const
      if (refused.some((reason) => isReason(error, reason))) return { ok: false, revision: 0n }
      throw failure(error)
    }
  }

  /** One that expects nothing replaces what is there, or creates it where there is nothing. */
  async #put(client: Client, map: ConfigMap, expected: Revision | undefined): Promise<ConfigMap> {
    if (expected === 0n) return client.create(CONFIG_MAPS, map)
    try {
      return await client.update(CONFIG_MAPS, map)
    } catch (error) {
      if (expected !== undefined || !isReason(error, 'NotFound')) throw error
      return client.create(CONFIG_MAPS, map)
    }
  }

  async *watch(_prefix: string, from: Revision, signal: AbortSignal): AsyncGenerator<readonly StoreEvent[]> {
    let revision = String(from - 1n)
    while (!signal.aborted) {
      try {
        const events = await this.#watcher.watch(CONFIG_MAPS, {
          namespace: NAMESPACE,
          resourceVersion: revision,
          allowWatchBookmarks: true,
          signal,
        })
        for await (const { type, object } of events) {
          if (type === 'ERROR') throw new StatusError('Expired', JSON.stringify(object))
          revision = object.metadata?.resourceVersion ?? revision
          if (type === 'BOOKMARK' || object.metadata?.name?.startsWith('h-') !== true) continue
          const event = this.#keyValue(object as ConfigMap)
          yield [
            type === 'DELETED'
              ? { type: 'delete', key: event.key, modRevision: event.modRevision }
              : { type: 'put', ...event },
          ]
        }
      } catch (error) {
        if (signal.aborted) return
        if (isReason(error, 'Expired')) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async currentRevision(): Promise<Revision> {
    return (await this.list()).revision
  }

  #keyValue({ metadata, data }: ConfigMap): KeyValue {
    const modRevision = BigInt(metadata?.resourceVersion ?? '0')
    const value = Buffer.from(data?.value ?? '')
    return { key: keyOf(metadata?.name ?? ''), value, createRevision: modRevision, modRevision }
  }
}
