import { styleText } from 'node:util'
import type { AddressLayout } from '../../base/address-layout.ts'
import type { ProcessConfig } from '../processes/protocol.ts'
import { storeText } from '../store-spec.ts'

/** What was chosen and why, before anything starts. */
export function choicesText(config: ProcessConfig, version: string): string {
  const { layout } = config
  const rows = [
    ['data', config.dataDir],
    [
      'store',
      config.store.kind === 'sqlite'
        ? 'sqlite: embedded, every acknowledged write is on disk'
        : config.store.kind === 'memory'
          ? 'memory: nothing survives the end of this command'
          : `${storeText(config.store)}: shared, keys under ${config.store.prefix}`,
    ],
    [
      'runtime',
      config.runtime.kind === 'process'
        ? 'process: containers are process groups on this machine (needs neither root nor Docker, and is no sandbox)'
        : `docker: containers of the engine at ${config.runtime.host}, on a bridge of their own`,
    ],
    ['dataplane', 'userspace: TCP and UDP relays, no privileges needed'],
    [
      'addresses',
      config.runtime.kind === 'process'
        ? `${layout.clusterCidr}: this cluster's own range of loopback`
        : `${layout.clusterCidr}: this cluster's own, on this machine and its bridge`,
    ],
  ]
  const title = `wherry ${version}, cluster ${config.clusterName}, ${layout.nodes.length} node${layout.nodes.length === 1 ? '' : 's'}`
  return `${styleText('bold', title)}\n${rows.map(([name, text]) => `  ${name!.padEnd(10)} ${text}`).join('\n')}\n`
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
