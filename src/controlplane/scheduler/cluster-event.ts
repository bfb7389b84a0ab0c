import type { Node } from '../../api/types/core-v1.gen.ts'
import type { NodeInfo } from './cluster/node-info.ts'
import type { PodInfo } from './cluster/pod-info.ts'

/** A change that may let a pod in that had to wait; the state has it already. `node` is where the pod is or was. */
export type ClusterEvent =
  | { readonly kind: 'nodeChanged'; readonly node: NodeInfo; readonly previous: Node | undefined }
  | { readonly kind: 'nodeRemoved'; readonly name: string }
  | { readonly kind: 'podAdded'; readonly pod: PodInfo; readonly node: NodeInfo }
  | { readonly kind: 'podChanged'; readonly pod: PodInfo; readonly previous: PodInfo; readonly node: NodeInfo }
  | { readonly kind: 'podRemoved'; readonly pod: PodInfo; readonly node: NodeInfo }
  | { readonly kind: 'namespaceChanged'; readonly name: string }
