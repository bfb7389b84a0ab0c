import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { writePrivateFile } from '../../controlplane/apiserver/edge/atomic-file.ts'
import { startControlPlane } from '../../controlplane/control-plane.ts'
import { ensureAgentToken, ensureServerToken } from '../../controlplane/membership/cluster-token.ts'
import { MembershipError } from '../../controlplane/membership/membership-error.ts'
import { type SharedSecrets, shareSecrets } from '../../controlplane/membership/share-secrets.ts'
import { type ClusterMark, checkMark, claimStore, readMark } from '../../controlplane/store/claim-store.ts'
import { type Store, StoreError } from '../../controlplane/store/store.ts'
import { explainedMembershipError } from '../membership-error-text.ts'
import { knownEtcdFile, openStore } from '../open-store.ts'
import type { RuntimeSpec } from '../runtime-spec.ts'
import { explainedStoreError, isRefusal } from '../store-error-text.ts'
import { storeText } from '../store-spec.ts'
import { layoutOf } from '../up/layout-of.ts'
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

/** How often an etcd that is not there is asked again at the start. */
const WAIT_MS = 1_000

/** Opens the store, and waits for an etcd that is not there as long as it takes: it may be on its way. */
async function openWaiting(config: ProcessConfig, logger: Logger, { waiting, fatal }: RoleContext): Promise<Store> {
  for (let told = ''; ; ) {
    try {
      return await openStore(config.store, { dataDir: config.dataDir, logger, onFailure: fatal })
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'unavailable' || isRefusal(error)) throw error
      if (error.message !== told) waiting(explainedStoreError(error))
      told = error.message
    }
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
  }
}

/** There once this cluster's mark was seen in its etcd; without the mark an etcd is not the one it was. */
function claimedFile(dataDir: string): string {
  return join(dataDir, 'store', 'claimed')
}

interface SharedStore extends SharedSecrets {
  readonly store: Store
}

/**
 * Opens an etcd and brings data directory and etcd to hold the same cluster. Only a `wherry server` takes over one that
 * it has nothing of: to everybody else a cluster that is not theirs is a stranger's.
 */
async function openShared(config: ProcessConfig, logger: Logger, context: RoleContext): Promise<SharedStore> {
  const { dataDir, server } = config
  const wasOurs = existsSync(knownEtcdFile(dataDir)) && existsSync(claimedFile(dataDir))
  const store = await openWaiting(config, logger, context)
  try {
    const caFile = join(dataDir, 'pki', 'ca.crt')
    const mark = (name: string, octet: number, runtime: RuntimeSpec['kind']): ClusterMark => ({
      name,
      range: layoutOf({ octet, name, nodes: 0, runtime }).clusterCidr,
      ca: existsSync(caFile) ? createHash('sha256').update(readFileSync(caFile)).digest('hex') : '',
    })
    const found = await readMark(store)
    if (found === undefined && wasOurs)
      throw new StoreError(
        'failed',
        `the etcd at ${storeText(config.store)} holds nothing of this cluster, which was kept in it: it was emptied or replaced; start with the right one, or remove ${knownEtcdFile(dataDir)} to begin with an empty cluster`,
      )
    const isNew = !existsSync(caFile)
    if (found !== undefined && !(isNew && server.mayJoin))
      // A server learns its range from the store, so only `wherry up` can be on another one.
      checkMark(found, {
        ...mark(config.clusterName, config.layout.octet, config.runtime.kind),
        ...(server.mayJoin ? { range: found.range } : {}),
      })
    const shared = await shareSecrets({
      store,
      dataDir,
      proposal: { clusterName: config.clusterName, octet: config.layout.octet, runtime: config.runtime.kind },
      ...(server.token === undefined ? {} : { token: server.token }),
      joins: server.mustJoin,
      nowMs: systemClock.now(),
    })
    await claimStore(store, mark(shared.clusterName, shared.octet, shared.runtime))
    writePrivateFile(claimedFile(dataDir), '')
    return { ...shared, store }
  } catch (error) {
    await store.close()
    throw error
  }
}

function explained(error: unknown): unknown {
  if (error instanceof StoreError) return explainedStoreError(error)
  if (error instanceof MembershipError) return explainedMembershipError(error)
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
export async function runControlPlane(context: RoleContext): Promise<RunningRole> {
  const { config, logger, phase, fatal } = context
  const { dataDir, server } = config
  const storeLogger = logger.child({ part: 'store' })
  try {
    const shared =
      config.store.kind === 'etcd' ? await phase('etcd', () => openShared(config, storeLogger, context)) : undefined
    const { clusterName, octet, runtime } = shared ?? {
      clusterName: config.clusterName,
      octet: config.layout.octet,
      runtime: config.runtime.kind,
    }
    // Only a server, which has no nodes, can be of another cluster than it thought.
    const layout = layoutOf({ octet, name: clusterName, nodes: config.layout.nodes.length, runtime })
    const serverToken = shared?.token ?? ensureServerToken(dataDir, server.token)
    const controlPlane = await startControlPlane({
      ...config,
      clusterName,
      layout,
      serverToken,
      openStore: (onFailure) => shared?.store ?? openStore(config.store, { dataDir, logger: storeLogger, onFailure }),
      ...(shared === undefined ? {} : { election: { identity: identityOf(dataDir) } }),
      clock: systemClock,
      logger,
      random: Math.random,
      phase,
      onFailure: fatal,
      privilegedPorts: await mayUsePrivilegedPorts(layout.kubernetesServiceIp),
    })
    ensureAgentToken(dataDir, serverToken, controlPlane.pki.caPem)
    return {
      apiPort: controlPlane.apiPort,
      cluster: { name: clusterName, octet, runtime },
      close: () => controlPlane.close(),
    }
  } catch (error) {
    throw explained(error)
  }
}
