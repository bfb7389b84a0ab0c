import type { Node } from '../../../api/types/core-v1.gen.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import type { ClusterEvent } from '../cluster-event.ts'

/** Why a node cannot take a pod. */
export interface Refusal {
  /** In kube-scheduler's words, one for each thing that is missing. */
  readonly reasons: readonly string[]
  /** False when room on the node could not change it: taking pods away would not help. */
  readonly isCurable: boolean
}

/** Says no to a node, or nothing. */
export type NodeCheck = (node: NodeInfo) => Refusal | undefined

/** By kind of change: whether it could make a filter say yes to a pod that it said no to. Kinds left out never do. */
export type Hints = {
  readonly [K in ClusterEvent['kind']]?: (
    event: Extract<ClusterEvent, { readonly kind: K }>,
    pod: PodInfo,
    state: ClusterState,
  ) => boolean
}

/** One reason for which a node cannot take a pod. */
export interface Filter {
  /** kube-scheduler's name of its plugin. */
  readonly name: string
  /** Reads what is needed once for a pod; undefined when the filter has nothing to say about it. */
  prepare(pod: PodInfo, state: ClusterState): NodeCheck | undefined
  /**
   * Whether what it says of a node can depend on where another pod is; left out where only the node itself matters.
   * A prepared check is void once a pod has moved that it minds.
   */
  readonly minds?: (pod: PodInfo, other: PodInfo, state: ClusterState) => boolean
  readonly hints: Hints
}

/** One constant refusal. */
export function refusal(reason: string, isCurable: boolean): Refusal {
  return { reasons: [reason], isCurable }
}

/** Whether a node is new or has other labels than before. */
export function isRelabeled(node: NodeInfo, previous: Node | undefined): boolean {
  return previous === undefined || JSON.stringify(previous.metadata?.labels ?? {}) !== JSON.stringify(node.labels)
}
