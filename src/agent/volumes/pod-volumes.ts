import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { dns1123SubdomainErrors } from '../../api/names.ts'
import { isReason } from '../../api/status-error.ts'
import type { ConfigMap, Pod, Secret, Volume } from '../../api/types/core-v1.gen.ts'
import type { Clock, Millis, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import { wasWritten, writeFiles } from './atomic-writer.ts'
import { makeEmptyDir } from './empty-dir.ts'
import { type ConfigReference, type FileSources, fileSources, referenceKey, volumeReferences } from './file-sources.ts'
import { type FollowedObjects, typeOf } from './followed-objects.ts'
import { filesOfGroup, fsGroupOf } from './fs-group.ts'
import { prepareHostPath } from './host-path.ts'
import { ServiceAccountTokens, tokenKey } from './service-account-tokens.ts'
import { volumeContents } from './volume-contents.ts'
import { type VolumeContext, VolumeError } from './volume-manager.ts'

export interface PodVolumesOptions {
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  readonly followed: FollowedObjects
  /** The node's, for limits that are not set. */
  readonly allocatable: Readonly<Record<string, string>>
}

const RETRY_MS_MIN = 1_000
const RETRY_MS_MAX = 30_000
const POSSIBLE = 'configMap, secret, downwardAPI, projected, emptyDir and hostPath'

/** An object, nothing when there is none, or why it could not be read. */
interface ReadObject {
  readonly object?: ConfigMap | Secret
  readonly error?: unknown
}

/** By reference key. */
type Objects = ReadonlyMap<string, ReadObject>

function isName(name: string): boolean {
  return dns1123SubdomainErrors(name).length === 0
}

/** The volumes of one pod. Whatever is asked of it happens one after another. */
export class PodVolumes {
  readonly #options: PodVolumesOptions
  readonly #tokens: ServiceAccountTokens
  #pod: Pod
  #context: VolumeContext
  /** By reference key: the version that was read last; undefined: there was no such object. */
  #shown = new Map<string, string | undefined>()
  #last: Promise<unknown> = Promise.resolve()
  #isRefreshing = false
  #failures = 0
  #timer: Timer | undefined
  #closed = false

  constructor(pod: Pod, context: VolumeContext, options: PodVolumesOptions) {
    this.#pod = pod
    this.#context = context
    this.#options = options
    this.#tokens = new ServiceAccountTokens(options.client, options.clock, options.random)
  }

  prepare(pod: Pod, context: VolumeContext): Promise<ReadonlyMap<string, string>> {
    return this.#inTurn(async () => {
      this.#pod = pod
      this.#context = context
      const volumes = pod.spec?.volumes ?? []
      await mkdir(join(context.podDirectory, 'volumes'), { recursive: true, mode: 0o700 })
      return this.#all(volumes)
    })
  }

  refresh(pod: Pod, context: VolumeContext): Promise<void> {
    return this.#inTurn(async () => {
      this.#pod = pod
      this.#context = context
      await this.#update()
    })
  }

  /** An object that volumes of the pod show is at this version now. */
  changed(key: string, version: string | undefined): void {
    if (this.#shown.has(key) && this.#shown.get(key) !== version) this.#refreshSoon()
  }

  /** Follows nothing any more; resolves once nothing is being written. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#options.followed.follow(this.#uid, new Map())
    await this.#last
  }

  get #uid(): string {
    return this.#pod.metadata?.uid ?? ''
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      if (this.#closed) throw new VolumeError('the pod has ended')
      return work()
    })
    this.#last = result.catch(() => {})
    return result
  }

  #refreshSoon(): void {
    // One that waits for its turn will read what is there by then.
    if (this.#isRefreshing || this.#closed) return
    this.#isRefreshing = true
    this.#inTurn(() => {
      this.#isRefreshing = false
      return this.#update()
    }).catch((error: unknown) => {
      if (this.#closed) return
      const { namespace, name } = this.#pod.metadata ?? {}
      this.#options.logger.warn({ pod: `${namespace}/${name}`, err: error }, 'volumes could not be brought up to date')
    })
  }

  async #update(): Promise<void> {
    await this.#all((this.#pod.spec?.volumes ?? []).filter((volume) => fileSources(volume) !== undefined))
  }

  /** Makes these volumes, whatever becomes of each other; throws what went wrong, all of it. */
  async #all(volumes: readonly Volume[]): Promise<ReadonlyMap<string, string>> {
    const objects = await this.#read(volumeReferences(this.#pod, volumes))
    const paths = new Map<string, string>()
    const problems: string[] = []
    let again = false
    for (const volume of volumes) {
      try {
        const { path, isStale } = await this.#make(volume, objects)
        paths.set(volume.name, path)
        again ||= isStale
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        problems.push(`MountVolume.SetUp failed for volume "${volume.name}" : ${why}`)
        // What is missing will be told of when it comes; everything else has to be tried.
        again ||= !(error instanceof VolumeError)
      }
    }
    this.#schedule(again)
    if (problems.length > 0) throw new VolumeError(problems.join('; '))
    return paths
  }

  async #read(references: ReadonlyMap<string, ConfigReference>): Promise<Objects> {
    const objects = new Map<string, ReadObject>()
    await Promise.all(
      [...references].map(async ([key, reference]) => {
        objects.set(key, await this.#readOne(reference))
      }),
    )
    const changing = new Map<string, ConfigReference>()
    for (const [key, reference] of references) {
      const { object, error } = objects.get(key)!
      if (error === undefined) this.#shown.set(key, object?.metadata?.resourceVersion)
      if (object?.immutable !== true && isName(reference.name)) changing.set(key, reference)
    }
    if (!this.#closed) this.#options.followed.follow(this.#uid, changing)
    return objects
  }

  async #readOne({ resource, namespace, name }: ConfigReference): Promise<ReadObject> {
    // What no object can be called cannot be asked for, either.
    if (!isName(name)) return {}
    try {
      return { object: await this.#options.client.get(typeOf(resource), { namespace, name }) }
    } catch (error) {
      return isReason(error, 'NotFound') ? {} : { error }
    }
  }

  /** `isStale`: it could not be brought up to date and shows what it showed before. */
  async #make(volume: Volume, objects: Objects): Promise<{ readonly path: string; readonly isStale: boolean }> {
    const path = join(this.#context.podDirectory, 'volumes', volume.name)
    const sources = fileSources(volume)
    if (sources !== undefined) return { path, isStale: await this.#fill(path, sources, objects) }
    if (volume.hostPath !== undefined) return { path: await prepareHostPath(volume.hostPath), isStale: false }
    const kind = Object.keys(volume).find((key) => key !== 'name' && volume[key as keyof Volume] !== undefined)
    if (kind !== undefined && kind !== 'emptyDir')
      throw new VolumeError(`volume type ${kind} is not supported by this node; possible are ${POSSIBLE}`)
    await makeEmptyDir(path, fsGroupOf(this.#pod))
    return { path, isStale: false }
  }

  async #fill(path: string, sources: FileSources, objects: Objects): Promise<boolean> {
    const { clock, logger, allocatable } = this.#options
    const namespace = this.#pod.metadata?.namespace ?? ''
    const read = (resource: ConfigReference['resource'], name: string): ConfigMap | Secret | undefined => {
      const found = objects.get(referenceKey({ resource, namespace, name }))
      if (found?.error !== undefined) throw found.error
      return found?.object
    }
    try {
      const tokens = new Map<string, string>()
      for (const { serviceAccountToken } of sources.sources)
        if (serviceAccountToken !== undefined)
          tokens.set(tokenKey(serviceAccountToken), await this.#tokens.token(this.#pod, serviceAccountToken))
      const files = volumeContents(sources, {
        pod: this.#pod,
        addressing: this.#context,
        allocatable,
        configMap: (name) => read('configmaps', name),
        secret: (name) => read('secrets', name),
        token: (projection) => tokens.get(tokenKey(projection))!,
      })
      await writeFiles(path, filesOfGroup(files, fsGroupOf(this.#pod)), clock.now())
      return false
    } catch (error) {
      // Without a control plane what was there goes on being there.
      if (error instanceof VolumeError || !(await wasWritten(path))) throw error
      logger.debug({ err: error, path }, 'a volume could not be brought up to date; it stays as it was')
      return true
    }
  }

  #schedule(again: boolean): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#failures = again ? this.#failures + 1 : 0
    const now = this.#options.clock.now()
    const times: Millis[] = []
    if (again) times.push(now + Math.min(RETRY_MS_MIN * 2 ** Math.min(this.#failures - 1, 10), RETRY_MS_MAX))
    if (this.#tokens.renewAtMs !== undefined) times.push(this.#tokens.renewAtMs)
    if (times.length === 0 || this.#closed) return
    const at = Math.min(...times)
    this.#timer = this.#options.clock.setTimer(Math.max(0, at - now), () => this.#refreshSoon())
  }
}
