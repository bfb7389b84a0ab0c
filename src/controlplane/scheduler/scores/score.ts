import type { ClusterState } from '../cluster/cluster-state.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'

export const SCORE_MAX = 100

/** One opinion on which of the nodes that can take a pod should. */
export interface Score {
  /** kube-scheduler's name of its plugin. */
  readonly name: string
  /** Its default weight there. */
  readonly weight: number
  /**
   * Gives each of the nodes a whole number from 0 to 100, in `into` at the node's index; false when it has nothing to
   * say about the pod, and then `into` says nothing either.
   */
  rate(pod: PodInfo, nodes: readonly NodeInfo[], state: ClusterState, into: Float64Array): boolean
}

/** Scales so that the largest is 100; all 0 stay 0, or become 100 when less is better. */
export function normalize(scores: Float64Array, lessIsBetter: boolean): void {
  let most = 0
  for (const score of scores) if (score > most) most = score
  for (let i = 0; i < scores.length; i++) {
    const scaled = most === 0 ? 0 : Math.trunc((SCORE_MAX * scores[i]!) / most)
    scores[i] = lessIsBetter ? SCORE_MAX - scaled : scaled
  }
}
