import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import type { Server } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { clusterNetwork } from '../../agent/runtime/docker/cluster-network.ts'
import { isAlive } from '../../base/process-identity.ts'
import { certificateHash } from '../../controlplane/membership/cluster-token.ts'
import { type ClusterSelection, dataDirectory } from '../data-directory.ts'
import type { LogLevel, ProcessConfig, Role } from '../processes/protocol.ts'
import type { StoreFlags } from '../store-spec.ts'
import { UserError } from '../user-error.ts'
import { chooseApiPort } from './api-port.ts'
import { chooseRuntime, type RuntimeFlags } from './choose-runtime.ts'
import { chooseStore } from './choose-store.ts'
import { claimRange } from './claim-range.ts'
import { checkRecordKind, octetCandidates, readClusterRecord, writeClusterRecord } from './cluster-record.ts'
import { layoutOf } from './layout-of.ts'
import { engineClusterId, isUnusedRange, prepareDocker } from './prepare-docker.ts'
import { endLeftovers, type RunState, readRunState } from './run-state.ts'

export interface PrepareOptions extends ClusterSelection, StoreFlags, RuntimeFlags {
  readonly nodes?: number
  readonly kubeconfig?: string
  readonly apiPort?: number
  /** What `--store` says; the cluster's own, and for a new one sqlite, when left out. */
  readonly store?: string
  readonly logLevel: LogLevel
}

/** What belongs to this process alone until it lets go: nobody else can start this cluster meanwhile. */
export interface PreparedCluster {
  readonly config: ProcessConfig
  /** Parts of an earlier start that had outlived it and were ended. */
  readonly ended: readonly Role[]
  release(): void
}

const LOOPBACK = '127.0.0.1'

/** One level at a time: Node's own recursion never ends where the kernel says ENOENT to every mkdir, as in /proc. */
function makeWithParents(directory: string): void {
  if (existsSync(directory)) return
  makeWithParents(dirname(directory))
  mkdirSync(directory, { mode: 0o700 })
}

export function makeDataDirectory(dataDir: string): void {
  try {
    makeWithParents(dataDir)
    accessSync(dataDir, constants.W_OK | constants.X_OK)
    if (!statSync(dataDir).isDirectory()) throw new Error('it is a file')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new UserError(`the data directory ${dataDir} cannot be used: ${why}`, 'give another one with --data-dir', {
      cause,
    })
  }
}

/** What other processes on this machine know a cluster by: its CA, once there is one. */
export function clusterIdOf(dataDir: string): string {
  const file = join(dataDir, 'pki', 'ca.crt')
  return existsSync(file) ? certificateHash(readFileSync(file, 'utf8')) : 'none yet'
}

/** Throws UserError when a command runs on the data directory; else what an earlier one has left of itself. */
export function previousRun(dataDir: string): RunState | undefined {
  const previous = readRunState(dataDir)
  if (previous === undefined || !isAlive(previous.supervisor)) return previous
  throw new UserError(
    `a cluster already runs on ${dataDir} (process ${previous.supervisor.pid})`,
    'stop it first, or start a second cluster with another --name or --data-dir',
  )
}

/** Claims the address range: the recorded one, or for a new cluster the first that no other running cluster has. */
async function claimOctet(
  name: string,
  dataDir: string,
  recorded: number | undefined,
  isUsable: (octet: number) => boolean,
): Promise<{ readonly octet: number; readonly claim: Server }> {
  for (const octet of recorded === undefined ? octetCandidates(name, dataDir) : [recorded]) {
    if (recorded === undefined && !isUsable(octet)) continue
    const claim = await claimRange(octet, () => clusterIdOf(dataDir))
    if (claim !== undefined) return { octet, claim }
  }
  if (recorded === undefined)
    throw new UserError(
      'every range from 64 to 126 (127.64.0.0/16, …) is in use by a running cluster or another network',
    )
  throw new UserError(
    `another running cluster uses 127.${recorded}.0.0/16, which this cluster's pods and Services have been promised`,
    'stop the other one, or start this one with a new --data-dir',
  )
}

/** Finds or makes the cluster of a data directory and takes it for this process. Throws UserError when it cannot be had. */
export async function prepareCluster(options: PrepareOptions): Promise<PreparedCluster> {
  const dataDir = dataDirectory(options)
  makeDataDirectory(dataDir)

  const previous = previousRun(dataDir)
  const record = readClusterRecord(dataDir)
  checkRecordKind(record, 'up', dataDir)
  if (record !== undefined && record.name !== options.name && options.name !== 'wherry') {
    throw new UserError(
      `${dataDir} belongs to the cluster "${record.name}"`,
      'give another --data-dir, or leave out --name',
    )
  }
  const name = record?.name ?? options.name
  const store = chooseStore(options, record, dataDir)
  const runtime = chooseRuntime(options, record, process.env)
  const isUsable = (octet: number): boolean => runtime.kind === 'process' || isUnusedRange(`10.${octet}.0.0/16`)
  const { octet, claim } = await claimOctet(name, dataDir, record?.octet, isUsable)
  try {
    const ended = previous === undefined ? [] : await endLeftovers(previous, 3_000)
    const apiPort = await chooseApiPort(options.apiPort, record?.apiPort)
    const nodes = options.nodes ?? record?.nodes ?? 1
    // Before the record: a cluster that could not start with this engine may start without it.
    if (runtime.kind === 'docker')
      await prepareDocker(runtime.host, clusterNetwork(engineClusterId(name, dataDir), octet))
    const dockerHost = runtime.kind === 'docker' ? { dockerHost: runtime.host } : {}
    writeClusterRecord(dataDir, { name, octet, nodes, apiPort, ...store.record, runtime: runtime.kind, ...dockerHost })
    const config: ProcessConfig = {
      clusterName: name,
      dataDir,
      layout: layoutOf({ octet, name, nodes, runtime: runtime.kind }),
      apiAddress: LOOPBACK,
      apiPort,
      apiServers: [`https://${LOOPBACK}:${apiPort}`],
      followsApiServers: store.spec.kind === 'etcd',
      machine: name,
      server: { mayJoin: false, mustJoin: false },
      store: store.spec,
      runtime,
      kubeconfig: options.kubeconfig === undefined ? join(dataDir, 'kubeconfig') : resolve(options.kubeconfig),
      logLevel: options.logLevel,
    }
    return { config, ended, release: () => void claim.close() }
  } catch (error) {
    claim.close()
    throw error
  }
}
