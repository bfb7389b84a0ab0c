import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock, Millis, Timer } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import { writeWhole } from '../process/write-whole.ts'
import type { DockerEngine } from './docker-engine.ts'
import { hasStatus, isUnavailable } from './engine-error.ts'

/** The kubelet's: above the one, images go until the other is reached. */
const HIGH_SHARE = 0.85
const LOW_SHARE = 0.8
const LOOK_MS = 300_000
/** What has just come is about to be used. */
const AGE_MS_MIN = 120_000

export interface CollectableImage {
  readonly id: string
  readonly sizeBytes: number
  /** When a pod last needed it. */
  readonly usedAtMs: Millis
}

/**
 * Which images to remove, the longest unused first, until the disk is at the kubelet's low mark again. Nothing while it
 * is below the high one, nothing that is in use, nothing young.
 */
export function imagesToRemove(
  images: readonly CollectableImage[],
  inUse: ReadonlySet<string>,
  disk: { readonly capacityBytes: number; readonly availableBytes: number },
  now: Millis,
): readonly string[] {
  const usedBytes = disk.capacityBytes - disk.availableBytes
  if (disk.capacityBytes === 0 || usedBytes < disk.capacityBytes * HIGH_SHARE) return []
  let toFree = usedBytes - disk.capacityBytes * LOW_SHARE
  const removed: string[] = []
  const candidates = images
    .filter(({ id, usedAtMs }) => !inUse.has(id) && now - usedAtMs >= AGE_MS_MIN)
    .sort((a, b) => a.usedAtMs - b.usedAtMs)
  for (const { id, sizeBytes } of candidates) {
    if (toFree <= 0) break
    removed.push(id)
    toFree -= sizeBytes
  }
  return removed
}

export interface ImageCollectorOptions {
  readonly engine: DockerEngine
  readonly clock: Clock
  readonly logger: Logger
  /** Remembers when each image was last used. */
  readonly file: string
}

/**
 * Gives back the disk space of images that came here for pods and are no longer used. An engine belongs to its machine:
 * whatever somebody else pulled or built stays, however full the disk is.
 */
export class ImageCollector {
  readonly #options: ImageCollectorOptions
  readonly #used: Map<string, Millis>
  #timer: Timer | undefined
  #closed = false

  constructor(options: ImageCollectorOptions) {
    this.#options = options
    this.#used = readUsed(options.file)
    this.#schedule()
  }

  /** An image was pulled for a pod. */
  pulled(id: string): void {
    this.#used.set(id, this.#options.clock.now())
    this.#save()
  }

  /** Looks once. Rejects with EngineError. */
  async collect(): Promise<void> {
    if (this.#used.size === 0) return
    const { engine, clock, logger } = this.#options
    const [info, containers, images] = await Promise.all([
      engine.call<{ readonly DockerRootDir: string }>({ method: 'GET', path: '/info' }),
      engine.call<{ readonly ImageID: string }[]>({ method: 'GET', path: '/containers/json', query: { all: 1 } }),
      engine.call<{ readonly Id: string; readonly Size: number }[]>({ method: 'GET', path: '/images/json' }),
    ])
    const inUse = new Set(containers.map(({ ImageID }) => ImageID))
    const now = clock.now()
    const sizes = new Map(images.map(({ Id, Size }) => [Id, Size]))
    for (const id of this.#used.keys())
      if (!sizes.has(id)) this.#used.delete(id)
      else if (inUse.has(id)) this.#used.set(id, now)
    const own = [...this.#used].map(([id, usedAtMs]) => ({ id, usedAtMs, sizeBytes: sizes.get(id)! }))
    for (const id of imagesToRemove(own, inUse, await diskOf(info.DockerRootDir), now)) {
      try {
        await engine.call({ method: 'DELETE', path: `/images/${id}` })
        this.#used.delete(id)
        logger.info({ image: id }, 'removed an unused image, as the disk is nearly full')
      } catch (error) {
        // Somebody has given it another name, or uses it by now.
        if (!hasStatus(error, 404, 409)) throw error
      }
    }
    this.#save()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #schedule(): void {
    if (this.#closed) return
    this.#timer = this.#options.clock.setTimer(LOOK_MS, () => {
      this.collect()
        .catch((error: unknown) => {
          if (!isUnavailable(error)) this.#options.logger.warn({ err: error }, 'images could not be collected')
        })
        .finally(() => this.#schedule())
    })
  }

  #save(): void {
    try {
      writeWhole(this.#options.file, JSON.stringify(Object.fromEntries(this.#used)))
    } catch (error) {
      // On a full disk what is remembered in this process has to do.
      this.#options.logger.debug({ err: error }, 'the list of pulled images could not be written')
    }
  }
}

function readUsed(file: string): Map<string, Millis> {
  try {
    const entries = Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)
    return new Map(entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
  } catch {
    return new Map()
  }
}

/** The file system that the engine keeps images on, by the nearest directory that may be looked at. */
async function diskOf(path: string): Promise<{ readonly capacityBytes: number; readonly availableBytes: number }> {
  try {
    const { blocks, bavail, bsize } = await statfs(path)
    return { capacityBytes: blocks * bsize, availableBytes: bavail * bsize }
  } catch {
    return path === '/' ? { capacityBytes: 0, availableBytes: 0 } : diskOf(dirname(path))
  }
}
