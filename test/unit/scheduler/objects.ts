import type { Container, Node, NodeSpec, Pod, PodSpec } from '../../../src/api/types/core-v1.gen.ts'
import type { ClusterState } from '../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { type PodInfo, podInfoOf } from '../../../src/controlplane/scheduler/cluster/pod-info.ts'

export const HOSTNAME = 'kubernetes.io/hostname'
export const ZONE = 'topology.kubernetes.io/zone'

export type Labels = Readonly<Record<string, string>>
export type Quantities = Readonly<Record<string, string>>

export interface NodeSettings {
  readonly labels?: Labels
  readonly allocatable?: Quantities
  readonly spec?: NodeSpec
  readonly images?: readonly { readonly names: readonly string[]; readonly sizeBytes: number }[]
}

/** A node with room for ten ordinary pods, that is labelled with its own name. */
export function node(name: string, { labels = {}, allocatable, spec = {}, images }: NodeSettings = {}): Node {
  return {
    metadata: { name, labels: { [HOSTNAME]: name, ...labels } },
    spec,
    status: {
      allocatable: allocatable ?? { cpu: '4', memory: '8Gi', pods: '10' },
      ...(images === undefined
        ? {}
        : { images: images.map(({ names, sizeBytes }) => ({ names: [...names], sizeBytes })) }),
    },
  }
}

export interface PodSettings {
  readonly namespace?: string
  readonly labels?: Labels
  readonly requests?: Quantities
  readonly spec?: Partial<PodSpec>
  readonly metadata?: Pod['metadata']
  readonly status?: Pod['status']
}

export function container(requests: Quantities = {}): Container {
  return { name: 'main', resources: { requests } }
}

export function pod(
  name: string,
  { namespace = 'default', labels = {}, requests, spec, metadata, status }: PodSettings = {},
): Pod {
  return {
    metadata: { namespace, name, uid: `uid of ${namespace}/${name}`, labels, ...metadata },
    spec: { containers: [container(requests)], ...spec },
    ...(status === undefined ? {} : { status }),
  }
}

export function podInfo(name: string, settings: PodSettings = {}): PodInfo {
  return podInfoOf(pod(name, settings))
}

/** Puts pods on nodes: `{ 'node-1': [podInfo('a')] }`. */
export function place(state: ClusterState, pods: Readonly<Record<string, readonly PodInfo[]>>): void {
  for (const [name, infos] of Object.entries(pods)) for (const info of infos) state.setPod(info, name)
}
