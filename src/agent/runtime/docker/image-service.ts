import type { Clock, Millis } from '../../../base/clock.ts'
import { type ImageRequest, type ImageService, RuntimeError } from '../runtime.ts'
import type { DockerEngine } from './docker-engine.ts'
import { hasStatus, isUnavailable } from './engine-error.ts'
import { type ImageReference, parseImage } from './image-reference.ts'
import { pullCredentials, type RegistryCredentials } from './pull-credentials.ts'
import { pullImage } from './pull-image.ts'

/** The kubelet's back-off after failed pulls: 10 s, doubling to 5 min. */
const BACKOFF_MS_MIN = 10_000
const BACKOFF_MS_MAX = 300_000
const FAILURES_MAX = 1_000

interface Failure {
  readonly count: number
  readonly untilMs: Millis
  readonly message: string
}

/** What of `GET /images/<name>/json` is read. */
export interface InspectedImage {
  readonly Id: string
  readonly RepoTags?: readonly string[] | null
  readonly RepoDigests?: readonly string[] | null
  readonly Size: number
  readonly Config?: { readonly User?: string; readonly StopSignal?: string } | null
}

/** The image by name; undefined when it is not here. */
export async function inspectImage(engine: DockerEngine, name: string): Promise<InspectedImage | undefined> {
  try {
    return await engine.call<InspectedImage>({ method: 'GET', path: `/images/${encodeURIComponent(name)}/json` })
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw error
  }
}

export interface DockerImagesOptions {
  readonly engine: DockerEngine
  readonly clock: Clock
  /** An image has come here because we asked for it. */
  onPulled(imageId: string): void
}

/** Brings images here by a container's pull policy, each pull at most once at a time, with the kubelet's events and back-off. */
export class DockerImages implements ImageService {
  readonly #options: DockerImagesOptions
  readonly #pulls = new Map<string, Promise<void>>()
  readonly #failures = new Map<string, Failure>()

  constructor(options: DockerImagesOptions) {
    this.#options = options
  }

  async ensure(request: ImageRequest): Promise<void> {
    const { image, policy, say } = request
    const reference = parseImage(image)
    if (reference === undefined) {
      const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`
      say('Warning', 'InspectFailed', message)
      throw new RuntimeError('InvalidImageName', message)
    }
    const present = await this.#inspect(image, say)
    if (present !== undefined && policy !== 'Always') {
      say('Normal', 'Pulled', `Container image "${image}" already present on machine`)
      return
    }
    if (policy === 'Never') {
      const message = `Container image "${image}" is not present with pull policy of Never`
      say('Warning', 'ErrImageNeverPull', message)
      throw new RuntimeError('ErrImageNeverPull', message)
    }
    await this.#pull(reference, request)
  }

  async list(): ReturnType<ImageService['list']> {
    const images = await this.#options.engine.call<InspectedImage[]>({ method: 'GET', path: '/images/json' })
    return images
      .map(({ RepoTags, RepoDigests, Size }) => ({
        names: [...(RepoDigests ?? []), ...(RepoTags ?? [])].filter((name) => !name.startsWith('<none>')),
        sizeBytes: Size,
      }))
      .filter(({ names }) => names.length > 0)
      .sort((a, b) => b.sizeBytes - a.sizeBytes)
  }

  async #inspect(image: string, say: ImageRequest['say']): Promise<InspectedImage | undefined> {
    try {
      return await inspectImage(this.#options.engine, image)
    } catch (cause) {
      const message = `Failed to inspect image "${image}": ${cause instanceof Error ? cause.message : String(cause)}`
      say('Warning', 'InspectFailed', message)
      throw new RuntimeError('ImageInspectError', message, { cause })
    }
  }

  async #pull(reference: ImageReference, { image, pullSecrets, say }: ImageRequest): Promise<void> {
    const { clock } = this.#options
    const credentials = pullCredentials(reference, pullSecrets)
    // Who has other credentials does not wait for those who failed.
    const key = JSON.stringify([image, credentials])
    const failure = this.#failures.get(key)
    if (failure !== undefined && failure.untilMs > clock.now()) {
      say('Normal', 'BackOff', `Back-off pulling image "${image}"`)
      const why = `Back-off pulling image "${image}": ErrImagePull: ${failure.message}`
      throw new RuntimeError('ImagePullBackOff', why)
    }
    say('Normal', 'Pulling', `Pulling image "${image}"`)
    const began = clock.monotonic()
    try {
      let pull = this.#pulls.get(key)
      if (pull === undefined) {
        pull = this.#pullWith(reference, credentials).finally(() => this.#pulls.delete(key))
        this.#pulls.set(key, pull)
      }
      await pull
      const found = await inspectImage(this.#options.engine, image)
      if (found !== undefined) this.#options.onPulled(found.Id)
      this.#failures.delete(key)
      const took = `${((clock.monotonic() - began) / 1000).toFixed(3)}s`
      const size = found === undefined ? '' : ` Image size: ${found.Size} bytes.`
      say('Normal', 'Pulled', `Successfully pulled image "${image}" in ${took} (${took} including waiting).${size}`)
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      // An engine that is away is waited for elsewhere.
      if (!isUnavailable(cause)) this.#failed(key, message)
      say('Warning', 'Failed', `Failed to pull image "${image}": ${message}`)
      throw new RuntimeError('ErrImagePull', message, { cause })
    }
  }

  /** With each of the credentials that fit until one is taken; without any, as anybody. */
  async #pullWith(reference: ImageReference, credentials: readonly RegistryCredentials[]): Promise<void> {
    const tries = credentials.length === 0 ? [undefined] : credentials
    let first: unknown
    for (const one of tries) {
      try {
        return await pullImage(this.#options.engine, reference, one)
      } catch (error) {
        if (isUnavailable(error)) throw error
        first ??= error
      }
    }
    throw first
  }

  #failed(key: string, message: string): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1
    const delay = Math.min(BACKOFF_MS_MIN * 2 ** (count - 1), BACKOFF_MS_MAX)
    this.#failures.delete(key)
    this.#failures.set(key, { count, message, untilMs: this.#options.clock.now() + delay })
    if (this.#failures.size > FAILURES_MAX) this.#failures.delete(this.#failures.keys().next().value!)
  }
}
