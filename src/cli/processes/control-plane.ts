import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { startControlPlane } from '../../controlplane/control-plane.ts'
import { claimStore } from '../../controlplane/store/claim-store.ts'
import { type Store, StoreError } from '../../controlplane/store/store.ts'
import { openStore } from '../open-store.ts'
import { explainedStoreError } from '../store-error-text.ts'
import { UserError } from '../user-error.ts'
import type { ProcessConfig } from './protocol.ts'
import type { RoleContext, RunningRole } from './run-child.ts'

/** Whether this process may listen below port 1024; asked of the kernel, which is the only one to know. */
function mayUsePrivilegedPorts(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: address, port: 443, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** One control plane runs on a data directory at a time; after a restart it is known as the one it was. */
function identityOf(dataDir: string): string {
  return `${hostname()}_${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`
}

/** Opens the store; a shared one only if it is this cluster's or nobody's. */
async function openOwnStore(
  { store: spec, dataDir, clusterName, layout }: ProcessConfig,
  logger: Logger,
  onFailure: (error: StoreError) => void,
): Promise<Store> {
  const store = await openStore(spec, { dataDir, logger, onFailure })
  if (spec.kind !== 'etcd') return store
  try {
    const ca = createHash('sha256')
      .update(readFileSync(join(dataDir, 'pki', 'ca.crt')))
      .digest('hex')
    await claimStore(store, { name: clusterName, range: layout.clusterCidr, ca })
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

function explained(error: unknown): unknown {
  if (error instanceof StoreError) return explainedStoreError(error)
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE')
    return new UserError(
      `the API server's port is taken: ${message}`,
      'end the other program, or give another port with --api-port',
      { cause: error },
    )
  if (code === 'ENOSPC')
    return new UserError(`the disk is full: ${message}`, 'free some space and start again', { cause: error })
  return error
}

/** The role `control-plane`: store, API server, controllers, scheduler. */
export async function runControlPlane({ config, logger, phase, fatal }: RoleContext): Promise<RunningRole> {
  try {
    const controlPlane = await startControlPlane({
      ...config,
      openStore: (onFailure) => openOwnStore(config, logger.child({ part: 'store' }), onFailure),
      ...(config.store.kind === 'etcd' ? { election: { identity: identityOf(config.dataDir) } } : {}),
      clock: systemClock,
      logger,
      random: Math.random,
      phase,
      onFailure: fatal,
      privilegedPorts: await mayUsePrivilegedPorts(config.layout.kubernetesServiceIp),
    })
    return { apiPort: controlPlane.apiPort, close: () => controlPlane.close() }
  } catch (error) {
    throw explained(error)
  }
}
