import { styleText } from 'node:util'
import type { AddressLayout } from '../../base/address-layout.ts'
import type { ProcessConfig } from '../processes/protocol.ts'
import { storeText } from '../store-spec.ts'

function storeChoice({ store }: ProcessConfig): string {
  switch (store.kind) {
    case 'sqlite':
      return 'sqlite: embedded, every acknowledged write is on disk'
    case 'memory':
      return 'memory: nothing survives the end of this command'
    case 'etcd':
      return `${storeText(store)}: shared, keys under ${store.prefix}`
  }
}

function runtimeChoice({ runtime }: ProcessConfig): string {
  return runtime.kind === 'process'
    ? 'process: containers are process groups on this machine (needs neither root nor Docker, and is no sandbox)'
    : `docker: containers of the engine at ${runtime.host}, on a bridge of their own`
}

function addressChoice({ runtime, layout }: ProcessConfig): string {
  return runtime.kind === 'process'
    ? `${layout.clusterCidr}: the cluster's own range of loopback`
    : `${layout.clusterCidr}: the cluster's own, on this machine and its bridge`
}

/** A title and what was chosen, name by name. */
export function rowsText(title: string, rows: readonly (readonly [string, string])[]): string {
  return `${styleText('bold', title)}\n${rows.map(([name, text]) => `  ${name.padEnd(10)} ${text}`).join('\n')}\n`
}

/** What was chosen and why, before anything starts. */
export function choicesText(config: ProcessConfig, version: string): string {
  const { layout } = config
  const rows: (readonly [string, string])[] = [
    ['data', config.dataDir],
    ['store', storeChoice(config)],
    ['runtime', runtimeChoice(config)],
    ['dataplane', 'userspace: TCP and UDP relays, no privileges needed'],
    ['addresses', addressChoice(config)],
  ]
  const title = `wherry ${version}, cluster ${config.clusterName}, ${layout.nodes.length} node${layout.nodes.length === 1 ? '' : 's'}`
  return rowsText(title, rows)
}

/** The same of a `wherry server`. */
export function serverChoicesText(config: ProcessConfig, version: string): string {
  return rowsText(`wherry ${version}, a server`, [
    ['data', config.dataDir],
    ['store', storeChoice(config)],
    ['API', `https://${config.apiAddress}:${config.apiPort}`],
  ])
}

/** Why nothing goes on yet, and what can be done about it. */
export function waitingText(message: string, hint: string | undefined): string {
  const next = hint === undefined ? '' : `    ${hint}\n`
  return `  ${styleText('yellow', '…')} ${message}; waiting (Ctrl-C gives up)\n${next}`
}

export function phaseText(name: string, ms: number): string {
  return `  ${styleText('green', '✓')} ${name.padEnd(28)} ${ms.toFixed(0).padStart(5)} ms\n`
}

/** Where everything is, once it is ready. */
export function readyText(layout: AddressLayout, apiPort: number, kubeconfig: string, ms: number): string {
  const nodes = layout.nodes.map((node) => `${node.name} ${node.address}`).join(', ')
  return [
    `${styleText('bold', `Ready in ${(ms / 1000).toFixed(2)} s.`)}`,
    `  API        https://127.0.0.1:${apiPort}`,
    `  nodes      ${nodes}`,
    `  NodePorts  on every node's address; the first node's also on 127.0.0.1`,
    `  kubeconfig ${kubeconfig}`,
    '',
    `  export KUBECONFIG=${kubeconfig}`,
    '  kubectl get nodes',
    '',
    'Ctrl-C stops it; its state stays.',
    '',
  ].join('\n')
}

export interface ServerReady {
  readonly config: ProcessConfig
  readonly clusterName: string
  readonly serverTokenFile: string
  readonly agentTokenFile: string
  readonly ms: number
}

/** What a server says once it answers: how kubectl, machines and further servers come to it. */
export function serverReadyText({ config, clusterName, serverTokenFile, agentTokenFile, ms }: ServerReady): string {
  const { apiAddress, apiPort, kubeconfig, store } = config
  const url = `https://${apiAddress}:${apiPort}`
  const further =
    store.kind === 'etcd' ? [`  wherry server --join --store ${storeText(store)} --token-file ${serverTokenFile}`] : []
  return [
    `${styleText('bold', `Ready in ${(ms / 1000).toFixed(2)} s.`)}`,
    `  cluster    ${clusterName}`,
    `  API        ${url}`,
    `  kubeconfig ${kubeconfig}`,
    '',
    '  A machine with nodes, with a copy of that file:',
    `  wherry agent --server ${url} --token-file ${agentTokenFile}`,
    ...(further.length === 0 ? [] : ['  Another server, with a copy of this one:', ...further]),
    '',
    'Ctrl-C stops it; its state stays.',
    '',
  ].join('\n')
}

/** What an agent does and where, before anything starts. */
export function agentChoicesText(config: ProcessConfig, version: string): string {
  return rowsText(`wherry ${version}, machine ${config.machine} of the cluster ${config.clusterName}`, [
    ['data', config.dataDir],
    ['API', config.apiServers.join(', ')],
    ['runtime', runtimeChoice(config)],
    ['addresses', addressChoice(config)],
  ])
}

export function agentReadyText({ layout }: ProcessConfig, ms: number): string {
  return [
    `${styleText('bold', `Ready in ${(ms / 1000).toFixed(2)} s.`)}`,
    `  nodes      ${layout.nodes.map((node) => `${node.name} ${node.address}`).join(', ')}`,
    '',
    'Ctrl-C stops it and its containers; its state stays.',
    '',
  ].join('\n')
}
