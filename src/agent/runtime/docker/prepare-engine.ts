import type { ClusterNetwork } from './cluster-network.ts'
import { DockerEngine } from './docker-engine.ts'
import { ensureBridge, ensureHostRange } from './ensure-network.ts'
import { ensurePauseImage } from './pause-image.ts'

/** Has an engine ready for a cluster, before anything of it listens on the addresses that this makes. Rejects with EngineError. */
export async function prepareEngine(host: string, network: ClusterNetwork): Promise<void> {
  const engine = await DockerEngine.open(host)
  await ensurePauseImage(engine)
  await ensureBridge(engine, network)
  await ensureHostRange(engine, network)
}
