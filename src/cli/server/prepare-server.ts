import { join, resolve } from 'node:path'
import { TOKEN_LENGTH_MIN } from '../../controlplane/membership/cluster-token.ts'
import { type ClusterSelection, dataDirectory } from '../data-directory.ts'
import type { LogLevel, ProcessConfig, Role } from '../processes/protocol.ts'
import { readToken, type TokenFlags } from '../read-token.ts'
import type { RuntimeSpec } from '../runtime-spec.ts'
import type { StoreFlags } from '../store-spec.ts'
import { chooseApiPort } from '../up/api-port.ts'
import { chooseStore } from '../up/choose-store.ts'
import { claimRange } from '../up/claim-range.ts'
import {
  type ClusterRecord,
  checkRecordKind,
  octetCandidates,
  readClusterRecord,
  writeClusterRecord,
} from '../up/cluster-record.ts'
import { layoutOf } from '../up/layout-of.ts'
import { clusterIdOf, makeDataDirectory, previousRun } from '../up/prepare-cluster.ts'
import { isUnusedRange } from '../up/prepare-docker.ts'
import { endLeftovers } from '../up/run-state.ts'
import { UserError } from '../user-error.ts'

export interface ServerOptions extends ClusterSelection, StoreFlags, TokenFlags {
  readonly store?: string
  /** True with `--join`. */
  readonly join?: boolean
  readonly listen?: string
  readonly apiPort?: number
  readonly kubeconfig?: string
  /** Of a new cluster. */
  readonly runtime?: RuntimeSpec['kind']
  readonly logLevel: LogLevel
}

export interface PreparedServer {
  readonly config: ProcessConfig
  readonly record: ClusterRecord
  readonly ended: readonly Role[]
}

/** A range for a new cluster: the first that no running cluster of this machine has. */
async function freeOctet(name: string, dataDir: string, runtime: RuntimeSpec['kind']): Promise<number> {
  for (const octet of octetCandidates(name, dataDir)) {
    if (runtime === 'docker' && !isUnusedRange(`10.${octet}.0.0/16`)) continue
    const claim = await claimRange(octet, () => clusterIdOf(dataDir))
    if (claim === undefined) continue
    claim.close()
    return octet
  }
  throw new UserError('every range 127.64.0.0/16 to 127.126.0.0/16 is in use by a running cluster')
}

/**
 * Finds or makes the data directory of a server. A server uses none of the cluster's addresses itself, so it does not
 * claim their range; which one that is, it learns from the store. Throws UserError.
 */
export async function prepareServer(options: ServerOptions): Promise<PreparedServer> {
  const dataDir = dataDirectory(options)
  makeDataDirectory(dataDir)
  const previous = previousRun(dataDir)
  const recorded = readClusterRecord(dataDir)
  checkRecordKind(recorded, 'server', dataDir)
  const token = readToken(options, process.env)
  if (token !== undefined && token.length < TOKEN_LENGTH_MIN)
    throw new UserError(
      `a server token has at least ${TOKEN_LENGTH_MIN} characters`,
      'leave it out for the first server: it makes one of 256 bits',
    )
  const store = chooseStore(options, recorded, dataDir)
  if (options.join === true && store.spec.kind !== 'etcd')
    throw new UserError(
      `a cluster in ${store.spec.kind} has one server`,
      'servers share an etcd: --store etcd=URL[,URL…]; one in SQLite moves with: wherry store copy',
    )
  const name = recorded?.name ?? options.name
  const runtime = options.runtime ?? recorded?.runtime ?? 'process'
  if (recorded !== undefined && runtime !== (recorded.runtime ?? 'process'))
    throw new UserError(
      `the containers of this cluster run with the ${recorded.runtime ?? 'process'} runtime, and its addresses go with it`,
      'leave --runtime out, or start a new cluster with another --data-dir and --store-prefix',
    )
  const octet = recorded?.octet ?? (await freeOctet(name, dataDir, runtime))
  const apiAddress = options.listen ?? recorded?.apiAddress ?? '127.0.0.1'
  const ended = previous === undefined ? [] : await endLeftovers(previous, 3_000)
  const apiPort = await chooseApiPort(options.apiPort, recorded?.apiPort, apiAddress)
  const record: ClusterRecord = { kind: 'server', name, octet, nodes: 0, apiAddress, apiPort, ...store.record, runtime }
  writeClusterRecord(dataDir, record)
  const config: ProcessConfig = {
    clusterName: name,
    dataDir,
    layout: layoutOf(record),
    apiAddress,
    apiPort,
    apiServers: [`https://${apiAddress}:${apiPort}`],
    followsApiServers: false,
    machine: name,
    server: { ...(token === undefined ? {} : { token }), mayJoin: true, mustJoin: options.join === true },
    store: store.spec,
    // A server runs no containers: it only has to know where their addresses are.
    runtime: runtime === 'docker' ? { kind: 'docker', host: '' } : { kind: 'process' },
    kubeconfig: options.kubeconfig === undefined ? join(dataDir, 'kubeconfig') : resolve(options.kubeconfig),
    logLevel: options.logLevel,
  }
  return { config, record, ended }
}
