import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { clusterNetwork } from '../../agent/runtime/docker/cluster-network.ts'
import { type ClusterSelection, dataDirectory } from '../data-directory.ts'
import type { LogLevel, ProcessConfig, Role } from '../processes/protocol.ts'
import { readToken, type TokenFlags } from '../read-token.ts'
import { chooseRuntime } from '../up/choose-runtime.ts'
import { type RangeClaim, shareRange } from '../up/claim-range.ts'
import { type ClusterRecord, checkRecordKind, readClusterRecord, writeClusterRecord } from '../up/cluster-record.ts'
import { readKnownServers } from '../up/known-servers.ts'
import { layoutOf } from '../up/layout-of.ts'
import { clusterIdOf, makeDataDirectory, previousRun } from '../up/prepare-cluster.ts'
import { engineClusterId, prepareDocker } from '../up/prepare-docker.ts'
import { endLeftovers } from '../up/run-state.ts'
import { UserError } from '../user-error.ts'
import { hasCertificates, joinCluster } from './join-cluster.ts'

export interface AgentOptions extends Omit<ClusterSelection, 'name'>, TokenFlags {
  /** URLs, separated by commas. */
  readonly server?: string
  readonly machine?: string
  readonly nodes?: number
  readonly dockerHost?: string
  readonly logLevel: LogLevel
}

export interface PreparedAgent {
  readonly config: ProcessConfig
  readonly ended: readonly Role[]
  release(): void
}

const EXAMPLE = 'e.g. --server https://10.0.0.1:6443,https://10.0.0.2:6443'

function parseServers(list: string): readonly string[] {
  return list.split(',').map((text) => {
    const url = URL.parse(text.trim())
    if (url === null || url.protocol !== 'https:' || !['', '/'].includes(url.pathname))
      throw new UserError(`"${text}" is no address of an API server`, EXAMPLE)
    return url.origin
  })
}

/** The name of this machine in the cluster: the one given, the one it has, or the host's. */
function machineName(asked: string | undefined, record: ClusterRecord | undefined): string {
  if (asked !== undefined && record?.machine !== undefined && asked !== record.machine)
    throw new UserError(
      `this machine has joined as "${record.machine}"`,
      'leave --machine out, or begin with another --data-dir',
    )
  const name = record?.machine ?? asked ?? hostname().toLowerCase()
  if (!/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(name))
    throw new UserError(`"${name}" cannot be the name of a machine`, 'give one with --machine, e.g. --machine rack-7')
  return name
}

/**
 * Makes this machine part of a cluster: asks a server for node numbers and certificates at the first start, when more
 * nodes are wanted, and when the certificates are about to expire; otherwise nobody need be there. Throws UserError.
 */
export async function prepareAgent(options: AgentOptions): Promise<PreparedAgent> {
  const dataDir = dataDirectory({ ...options, name: 'agent' })
  makeDataDirectory(dataDir)
  const previous = previousRun(dataDir)
  const record = readClusterRecord(dataDir)
  checkRecordKind(record, 'agent', dataDir)
  const machine = machineName(options.machine, record)
  const given = options.server === undefined ? [] : parseServers(options.server)
  const servers = [...new Set([...given, ...readKnownServers(dataDir), ...(record?.apiServers ?? [])])]
  const first = servers[0]
  if (first === undefined) throw new UserError('no API server is given', EXAMPLE)
  const nodes = options.nodes ?? record?.nodes ?? 1
  const ended = previous === undefined ? [] : await endLeftovers(previous, 3_000)

  const before = record === undefined ? [] : (record.nodeNumbers ?? []).slice(0, nodes)
  const names = record === undefined ? [] : layoutOf({ ...record, nodeNumbers: before }).nodes.map(({ name }) => name)
  const isMember = record !== undefined && before.length === nodes && existsSync(join(dataDir, 'pki', 'ca.crt'))
  let current: Pick<ClusterRecord, 'name' | 'octet' | 'runtime' | 'nodeNumbers'>
  if (isMember && hasCertificates(dataDir, names, Date.now())) current = { ...record, nodeNumbers: before }
  else {
    const token = readToken(options, process.env)
    if (token === undefined)
      throw new UserError(
        'joining takes the agent token',
        'give it with --token-file: it stands in the file `agent-token` in the data directory of each server',
      )
    let told = ''
    const answer = await joinCluster({
      dataDir,
      machine,
      servers: [first, ...servers.slice(1)],
      token,
      nodes,
      onWaiting(reason) {
        if (reason !== told) process.stdout.write(`No server answers (${reason}); waiting (Ctrl-C gives up)\n`)
        told = reason
      },
    })
    const { clusterName, octet, runtime } = answer
    current = { name: clusterName, octet, runtime, nodeNumbers: answer.nodes.map(({ number }) => number) }
  }
  const { name, octet } = current
  // What the cluster says counts; which engine, this machine.
  const flags = options.dockerHost === undefined ? {} : { dockerHost: options.dockerHost }
  const known = {
    runtime: current.runtime,
    ...(record?.dockerHost === undefined ? {} : { dockerHost: record.dockerHost }),
  }
  const runtime = chooseRuntime(flags, known, process.env)
  const now: ClusterRecord = {
    kind: 'agent',
    ...current,
    nodes,
    machine,
    apiServers: servers,
    apiPort: undefined,
    runtime: runtime.kind,
    ...(runtime.kind === 'docker' ? { dockerHost: runtime.host } : {}),
  }
  writeClusterRecord(dataDir, now)
  const claim: RangeClaim | undefined = await shareRange(octet, clusterIdOf(dataDir))
  if (claim === undefined)
    throw new UserError(
      `another cluster on this machine uses 127.${octet}.0.0/16, which this cluster's pods and Services have been promised`,
      'stop that one',
    )
  try {
    if (runtime.kind === 'docker')
      await prepareDocker(runtime.host, clusterNetwork(engineClusterId(name, dataDir), octet))
  } catch (error) {
    claim.close()
    throw error
  }
  const config: ProcessConfig = {
    clusterName: name,
    dataDir,
    layout: layoutOf(now),
    apiAddress: '',
    apiPort: 0,
    apiServers: [first, ...servers.slice(1)],
    followsApiServers: true,
    machine,
    server: { mayJoin: false, mustJoin: false },
    store: { kind: 'memory' },
    runtime,
    kubeconfig: '',
    logLevel: options.logLevel,
  }
  return { config, ended, release: () => claim.close() }
}
