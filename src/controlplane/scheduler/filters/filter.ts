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

/** One reason for which a node cannot take a pod. */
export interface Filter {
  /** kube-scheduler's name of its plugin. */
  readonly name: string
  /** Reads what is needed once for a pod; undefined when the filter has nothing to say about it. */
  prepare(pod: PodInfo, state: ClusterState): NodeCheck | undefined
  /** Whether a change could make it say yes to a pod that it said no to. */
  helps(event: ClusterEvent, pod: PodInfo, state: ClusterState): boolean
}

/** One constant refusal. */
export function refusal(reason: string, isCurable: boolean): Refusal {
  return { reasons: [reason], isCurable }
}
