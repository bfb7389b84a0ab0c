import type { Logger } from '../../../base/logger.ts'
import type { SandboxConfig } from '../runtime.ts'
import type { InspectedContainer } from './container-state.ts'
import { type DockerEngine, WORK_MS } from './docker-engine.ts'
import { type DockerOwner, sandboxLabels, volumeLabels } from './docker-labels.ts'
import { isUnavailable } from './engine-error.ts'
import { sandboxName, volumeName } from './engine-names.ts'
import { removeFromEngine } from './remove-from-engine.ts'
import { sandboxBody } from './sandbox-body.ts'

/** What is found out about an engine as it is used; shared by all nodes on it. */
export interface EngineAbilities {
  /** It may lower a process' oom_score_adj. One without CAP_SYS_RESOURCE (in a container, rootless) starts nothing that asks for it. */
  mayProtect: boolean
}

export interface SandboxOptions {
  readonly engine: DockerEngine
  readonly owner: DockerOwner
  readonly abilities: EngineAbilities
  readonly logger: Logger
  /** Makes sure that the cluster's network is there, and gives its name. */
  network(): Promise<string>
  /** Makes sure that the image of sandboxes is there, and gives its name. */
  pauseImage(): Promise<string>
}

/**
 * Makes sure that a pod's sandbox container runs, started again or made anew under the pod's own address; gives its id.
 * Rejects with EngineError.
 */
export async function startSandbox(config: SandboxConfig, options: SandboxOptions): Promise<string> {
  const { engine, owner, network, pauseImage, logger, abilities } = options
  const start = (id: string): Promise<unknown> =>
    engine.call({ method: 'POST', path: `/containers/${id}/start`, timeoutMs: WORK_MS })
  const name = sandboxName(config)
  try {
    const found = await engine.call<InspectedContainer>({ method: 'GET', path: `/containers/${name}/json` })
    if (found.State.Running) return found.Id
    // Its address is its own as long as it exists, and comes back with it.
    logger.info({ podUid: config.podUid }, 'starting the sandbox of a pod again')
    await network()
    await start(found.Id)
    return found.Id
  } catch (error) {
    if (isUnavailable(error)) throw error
    // One that does not come up again (its network may be another by now) is made anew.
    await removeFromEngine(engine, name)
  }
  const [image, networkName] = await Promise.all([pauseImage(), network()])
  const volumes = Object.keys(config.namespaces?.memoryVolumes ?? {}).map((volume) => ({
    name: volume,
    engineName: volumeName(config.podUid, volume),
  }))
  for (const { name: volume, engineName } of volumes) {
    const { sizeBytes } = config.namespaces!.memoryVolumes[volume]!
    const size = sizeBytes === undefined ? '' : `,size=${sizeBytes}`
    await engine.call({
      method: 'POST',
      path: '/volumes/create',
      body: {
        Name: engineName,
        Driver: 'local',
        DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: `mode=1777${size}` },
        Labels: volumeLabels(owner, config.podUid),
      },
    })
  }
  const make = async (isProtected: boolean): Promise<string> => {
    const labels = sandboxLabels(owner, config)
    const body = sandboxBody({ sandbox: config, labels, image, network: networkName, volumes, isProtected })
    const path = '/containers/create'
    const request = { method: 'POST', path, query: { name }, body, timeoutMs: WORK_MS } as const
    const { Id } = await engine.call<{ readonly Id: string }>(request)
    await start(Id)
    return Id
  }
  try {
    return await make(abilities.mayProtect)
  } catch (error) {
    if (isUnavailable(error) || !abilities.mayProtect) throw error
    await removeFromEngine(engine, name)
    const id = await make(false).catch(() => undefined)
    if (id === undefined) throw error
    logger.warn({ err: error }, 'the engine cannot protect sandboxes from the kernel when memory runs short')
    abilities.mayProtect = false
    return id
  }
}
