import type { ClusterState } from './cluster/cluster-state.ts'
import type { PodInfo } from './cluster/pod-info.ts'
import type { ClusterEvent } from './cluster-event.ts'

/** Room that was kept for a pod is free for others; nothing happens when none was. */
export function withdrawPromise(pod: PodInfo, state: ClusterState, emit: (event: ClusterEvent) => void): void {
  const node = state.node(state.nominations.nodeOf(pod.key) ?? '')
  state.nominations.delete(pod.key)
  if (node !== undefined) emit({ kind: 'podRemoved', pod, node })
}
