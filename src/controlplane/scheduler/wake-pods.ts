import type { ClusterState } from './cluster/cluster-state.ts'
import type { PodInfo } from './cluster/pod-info.ts'
import type { ClusterEvent } from './cluster-event.ts'
import { FILTERS } from './filters/all-filters.ts'
import type { SchedulingQueue } from './queue/scheduling-queue.ts'

/** In place of a filter's name for pods that nobody refused, because there was no node. */
export const NO_NODES = 'NoNodes'

type Hint = (event: ClusterEvent, pod: PodInfo, state: ClusterState) => boolean

/** Wakes the pods for which one of the filters that refused them sees a chance in a change (queueing hints). */
export function wakePods(event: ClusterEvent, queue: SchedulingQueue, state: ClusterState): void {
  for (const { name, hints } of FILTERS) {
    const hint = hints[event.kind] as Hint | undefined
    if (hint !== undefined) queue.wakeRefusedBy(name, (pod) => hint(event, pod, state))
  }
  if (event.kind === 'nodeChanged') queue.wakeRefusedBy(NO_NODES, () => true)
}
