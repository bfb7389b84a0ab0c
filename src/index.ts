import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { identifyProcess } from './base/process-identity.ts'
import { runAgent } from './cli/processes/agent.ts'
import { runControlPlane } from './cli/processes/control-plane.ts'
import { createFileLogger } from './cli/processes/file-logger.ts'
import type { LogLevel, Role } from './cli/processes/protocol.ts'
import { runProxy } from './cli/processes/proxy.ts'
import type { RoleContext, RunningRole } from './cli/processes/run-child.ts'
import { prepareCluster } from './cli/up/prepare-cluster.ts'
import { removeRunState, writeRunState } from './cli/up/run-state.ts'

export interface StartClusterOptions {
  /** `wherry` when left out. */
  readonly name?: string
  /** 1 when left out. */
  readonly nodes?: number
  /** A temporary directory, removed at `stop`, when left out. */
  readonly dataDir?: string
  /** `kubeconfig` in the data directory when left out. */
  readonly kubeconfig?: string
  /** A free one when left out. */
  readonly apiPort?: number
  /** As `--store`; `memory` when left out. */
  readonly store?: 'sqlite' | 'memory' | `etcd=${string}`
  readonly logLevel?: LogLevel
}

export interface Cluster {
  /** Path of a kubeconfig for it. */
  readonly kubeconfig: string
  /** `https://127.0.0.1:<port>` */
  readonly server: string
  readonly nodes: readonly { readonly name: string; readonly address: string }[]
  /** Ends the containers and everything else. */
  stop(): Promise<void>
}

const STARTERS: readonly (readonly [Role, (context: RoleContext) => Promise<RunningRole>])[] = [
  ['control-plane', runControlPlane],
  ['agent', runAgent],
  ['proxy', runProxy],
]

/**
 * A whole cluster inside this process, for tests of programs that use one: resolves when its API answers and its nodes
 * are ready. The control plane shares this process's event loop; `wherry up` gives each part a process of its own.
 *
 * @example
 * const cluster = await startCluster()
 * // point kubectl or a client library at cluster.kubeconfig
 * await cluster.stop()
 */
export async function startCluster(options: StartClusterOptions = {}): Promise<Cluster> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'wherry-'))
  const { config, release } = await prepareCluster({
    name: options.name ?? 'wherry',
    nodes: options.nodes,
    dataDir,
    kubeconfig: options.kubeconfig,
    apiPort: options.apiPort ?? 0,
    store: options.store ?? 'memory',
    logLevel: options.logLevel ?? 'warn',
  })
  const running: RunningRole[] = []
  const stop = async (): Promise<void> => {
    // Containers and proxy before the control plane, as at Ctrl-C.
    const [controlPlane, ...others] = running
    for (const role of others) await role.close('asked')
    await controlPlane?.close('asked')
    removeRunState(dataDir)
    release()
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
  try {
    for (const [role, start] of STARTERS) {
      const failed = Promise.withResolvers<never>()
      const context: RoleContext = {
        config,
        logger: createFileLogger(role, config),
        phase: (_name, step) => step(),
        // Nobody sees it wait.
        waiting: failed.reject,
        fatal: failed.reject,
      }
      running.push(await Promise.race([start(context), failed.promise]))
      // Later faults are the caller's to hear of, as of any other error of this process.
      failed.promise.catch((error: unknown) => {
        throw error
      })
    }
    writeRunState(dataDir, {
      supervisor: identifyProcess(process.pid)!,
      children: {},
      apiPort: config.apiPort,
      kubeconfig: config.kubeconfig,
      ready: true,
      startedAt: new Date().toISOString(),
    })
  } catch (error) {
    await stop()
    throw error
  }
  return {
    kubeconfig: config.kubeconfig,
    server: `https://127.0.0.1:${config.apiPort}`,
    nodes: config.layout.nodes.map(({ name, address }) => ({ name, address })),
    stop,
  }
}
