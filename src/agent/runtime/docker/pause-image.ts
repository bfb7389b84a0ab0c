import { createHash } from 'node:crypto'
import { type DockerEngine, WORK_MS } from './docker-engine.ts'
import { EngineError } from './engine-error.ts'
import { inspectImage } from './image-service.ts'
import { tarArchive } from './tar-archive.ts'
import { type ProgramArchitecture, pauseProgram, programArchitecture } from './tiny-program.ts'

interface EngineVersion {
  readonly Version: string
  readonly ApiVersion: string
  readonly Arch: string
  readonly Os: string
}

export function engineVersion(engine: DockerEngine): Promise<EngineVersion> {
  return engine.call<EngineVersion>({ method: 'GET', path: '/version' })
}

/** The architecture to write programs for. Rejects with EngineError where there is none. */
export async function engineArchitecture(engine: DockerEngine): Promise<ProgramArchitecture> {
  const { Arch, Os } = await engineVersion(engine)
  const architecture = Os === 'linux' ? programArchitecture(Arch) : undefined
  if (architecture === undefined)
    throw new EngineError(`the engine runs on ${Os}/${Arch}; the docker runtime knows linux/amd64 and linux/arm64`, 501)
  return architecture
}

/** Makes sure that the engine has the image of sandboxes, a single file that wherry brings itself, and gives its name. */
export async function ensurePauseImage(engine: DockerEngine): Promise<string> {
  const program = pauseProgram(await engineArchitecture(engine))
  const tag = createHash('sha256').update(program).digest('hex').slice(0, 12)
  const name = `wherry/pause:${tag}`
  if ((await inspectImage(engine, name)) !== undefined) return name
  await engine.call({
    method: 'POST',
    path: '/images/create',
    query: { fromSrc: '-', repo: 'wherry/pause', tag, changes: 'ENTRYPOINT ["/pause"]' },
    archive: tarArchive({ pause: program }),
    timeoutMs: WORK_MS,
  })
  if ((await inspectImage(engine, name)) === undefined)
    throw new EngineError(`the engine did not take the image ${name}`, 500)
  return name
}
