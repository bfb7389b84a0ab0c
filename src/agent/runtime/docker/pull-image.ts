import type { DockerEngine } from './docker-engine.ts'
import { EngineError } from './engine-error.ts'
import type { ImageReference } from './image-reference.ts'
import { jsonLines } from './json-lines.ts'
import type { RegistryCredentials } from './pull-credentials.ts'

/** A pull that gets no further for this long is given up, as by the kubelet. */
const STUCK_MS = 60_000

interface PullProgress {
  readonly error?: string
  readonly errorDetail?: { readonly message?: string }
}

/** Pulls one image to its end. Rejects with EngineError: in the registry's words when it is the registry that refused. */
export async function pullImage(
  engine: DockerEngine,
  { registry, repository, tag, digest }: ImageReference,
  credentials: RegistryCredentials | undefined,
): Promise<void> {
  const stuck = new AbortController()
  let timer = setTimeout(() => stuck.abort(), STUCK_MS)
  try {
    const stream = await engine.stream({
      method: 'POST',
      path: '/images/create',
      query: { fromImage: `${registry}/${repository}`, tag: digest ?? tag },
      ...(credentials === undefined ? {} : { registryAuth: credentials }),
      signal: stuck.signal,
      // The registry is asked before the first line comes.
      timeoutMs: STUCK_MS,
    })
    for await (const progress of jsonLines<PullProgress>(stream)) {
      clearTimeout(timer)
      timer = setTimeout(() => stuck.abort(), STUCK_MS)
      const error = progress.errorDetail?.message ?? progress.error
      if (error !== undefined) throw new EngineError(error, 500)
    }
  } catch (cause) {
    if (stuck.signal.aborted) throw new EngineError(`no progress for ${STUCK_MS / 1000} s`, 504, { cause })
    if (cause instanceof EngineError) throw cause
    throw new EngineError(`the pull was broken off: ${(cause as Error).message}`, undefined, { cause })
  } finally {
    clearTimeout(timer)
  }
}
