import { isAlive } from '../base/process-identity.ts'
import { type ClusterSelection, dataDirectory } from './data-directory.ts'
import { readClusterRecord } from './up/cluster-record.ts'
import { layoutOf } from './up/layout-of.ts'
import { readRunState } from './up/run-state.ts'
import { UserError } from './user-error.ts'
import { WHERRY_VERSION } from './version.ts'

export interface StatusOptions extends ClusterSelection {
  readonly output: 'text' | 'json'
}

/** What `wherry status -o json` prints; scripts count on these names. */
export interface StatusReport {
  readonly name: string
  readonly version: string
  readonly running: boolean
  readonly ready: boolean
  readonly startedAt: string | undefined
  readonly dataDir: string
  readonly kubeconfig: string | undefined
  readonly api: { readonly url: string; readonly address: string; readonly port: number } | undefined
  readonly nodes: readonly { readonly name: string; readonly address: string; readonly podCidr: string }[]
  readonly clusterCidr: string
  readonly serviceCidr: string
  readonly loadBalancerCidr: string
  readonly processes: readonly { readonly role: string; readonly pid: number; readonly alive: boolean }[]
}

/** Reads what the data directory says of a cluster and which of its processes are alive. */
export function clusterStatus(selection: ClusterSelection): StatusReport {
  const dataDir = dataDirectory(selection)
  const record = readClusterRecord(dataDir)
  if (record === undefined) throw new UserError(`there is no cluster in ${dataDir}`, 'start one with: wherry up')
  const layout = layoutOf(record)
  const address = record.apiAddress ?? '127.0.0.1'
  const state = readRunState(dataDir)
  const running = state !== undefined && isAlive(state.supervisor)
  const port = state?.apiPort ?? record.apiPort
  const identities =
    state === undefined ? [] : [['supervisor', state.supervisor] as const, ...Object.entries(state.children)]
  return {
    name: record.name,
    version: WHERRY_VERSION,
    running,
    ready: running && state.ready,
    startedAt: running ? state.startedAt : undefined,
    dataDir,
    // A machine without a server has none.
    kubeconfig: state?.kubeconfig || undefined,
    api: port === undefined ? undefined : { url: `https://${address}:${port}`, address, port },
    nodes: layout.nodes,
    clusterCidr: layout.clusterCidr,
    serviceCidr: layout.serviceCidr,
    loadBalancerCidr: layout.loadBalancerCidr,
    processes: identities.map(([role, identity]) => ({ role, pid: identity.pid, alive: isAlive(identity) })),
  }
}

function statusText(report: StatusReport): string {
  const rows: [string, string][] = [
    ['cluster', `${report.name} (${report.ready ? 'ready' : report.running ? 'starting' : 'stopped'})`],
    ['data', report.dataDir],
    ['api', report.api?.url ?? '-'],
    ['kubeconfig', report.kubeconfig ?? '-'],
    ...report.nodes.map((node): [string, string] => ['node', `${node.name} ${node.address}, pods ${node.podCidr}`]),
    ['services', `${report.serviceCidr}, LoadBalancer ${report.loadBalancerCidr}`],
    ...report.processes.map((p): [string, string] => ['process', `${p.role} ${p.pid}${p.alive ? '' : ' (gone)'}`]),
  ]
  return rows.map(([name, text]) => `${name.padEnd(11)} ${text}\n`).join('')
}

/** `wherry status`; the exit code is 0 when the cluster is ready and 3 when it is not. */
export function status(options: StatusOptions): void {
  const report = clusterStatus(options)
  process.stdout.write(options.output === 'json' ? `${JSON.stringify(report, null, 2)}\n` : statusText(report))
  if (!report.ready) process.exitCode = 3
}
