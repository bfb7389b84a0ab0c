import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { UsageSource } from '../../usage/usage-source.ts'
import type { ClusterNetwork } from './cluster-network.ts'
import { DockerEngine } from './docker-engine.ts'
import { DockerRuntime } from './docker-runtime.ts'
import { DockerUsageSource } from './docker-usage-source.ts'
import { EngineWatch } from './engine-watch.ts'
import { ensureBridge, ensureHostRange } from './ensure-network.ts'
import { ImageCollector } from './image-collector.ts'
import { DockerImages } from './image-service.ts'
import { engineVersion, ensurePauseImage } from './pause-image.ts'

export interface DockerHostOptions {
  /** `unix:///var/run/docker.sock` */
  readonly host: string
  readonly network: ClusterNetwork
  /** The cluster's: a file in it remembers which images came here for its pods. */
  readonly dataDir: string
  readonly clock: Clock
  readonly logger: Logger
}

/** One Docker engine for all nodes of a cluster on this machine. */
export interface DockerHost {
  /** What the containers of all its nodes use. */
  readonly usage: UsageSource
  runtime(node: string, directory: string): DockerRuntime
  close(): void
}

/** Opens an engine that may be away: what needs it waits or says so. Rejects only for an address that is none. */
export async function openDockerHost(options: DockerHostOptions): Promise<DockerHost> {
  const { clock, logger, network, dataDir } = options
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const engine = await DockerEngine.open(options.host)
  const { cluster } = network
  const watch = new EngineWatch({ engine, cluster, clock, logger })
  let version = 'unknown'
  const readVersion = async (): Promise<void> => {
    if (watch.problem !== undefined) return
    version = await engineVersion(engine).then(
      ({ Version }) => Version,
      () => version,
    )
  }
  await readVersion()
  watch.onProblem(() => void readVersion())
  const collector = new ImageCollector({ engine, clock, logger, file: join(dataDir, 'pulled-images.json') })
  const images = new DockerImages({ engine, clock, onPulled: (id) => collector.pulled(id) })
  const runtimes: DockerRuntime[] = []
  const abilities = { mayProtect: true }
  return {
    usage: new DockerUsageSource(engine, () => runtimes.flatMap((runtime) => runtime.running()), clock),
    runtime(node, directory) {
      const runtime = new DockerRuntime({
        engine,
        watch,
        owner: { cluster, node },
        images,
        abilities,
        version: () => version,
        network: async () => {
          await ensureBridge(engine, network)
          await ensureHostRange(engine, network)
          return network.bridge
        },
        pauseImage: () => ensurePauseImage(engine),
        directory,
        clock,
        logger: logger.child({ node }),
      })
      runtimes.push(runtime)
      return runtime
    },
    close() {
      watch.close()
      collector.close()
    },
  }
}
