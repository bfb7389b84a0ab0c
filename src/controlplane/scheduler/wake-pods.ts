import type { ClusterState } from './cluster/cluster-state.ts'
import type { PodInfo } from './cluster/pod-info.ts'
import type { ClusterEvent } from './cluster-event.ts'
import type { Refused } from './decide.ts'
import { FILTERS } from './filters/all-filters.ts'
import type { SchedulingQueue } from './queue/scheduling-queue.ts'
import type { RefusalMemo } from './refusal-memo.ts'

/** In place of a filter's name for pods that nobody refused, because there was no node. */
const NO_NODES = 'NoNodes'

/** The filters that refused a pod: what has a say in when it is tried again. */
export function filtersOf({ refused, nodeCount }: Refused): readonly string[] {
  if (nodeCount === 0) return [NO_NODES]
  const names = new Set(refused.map(({ filter }) => filter))
  // The others are not those that it names.
  if (refused.length < nodeCount) names.add('NodeAffinity')
  return [...names]
}

type Hint = (event: ClusterEvent, pod: PodInfo, state: ClusterState) => boolean

/**
 * Wakes the pods for which one of the filters that refused them sees a chance in a change (queueing hints), and forgets
 * refusals that may not stand any more.
 */
export function wakePods(event: ClusterEvent, queue: SchedulingQueue, memo: RefusalMemo, state: ClusterState): void {
  const wake = (filter: string, helps: (pod: PodInfo) => boolean): void => {
    queue.wakeRefusedBy(filter, helps)
    memo.forgetRefusedBy(filter, helps)
  }
  for (const { name, hints } of FILTERS) {
    const hint = hints[event.kind] as Hint | undefined
    if (hint !== undefined) wake(name, (pod) => hint(event, pod, state))
  }
  if (event.kind === 'nodeChanged') wake(NO_NODES, () => true)
}
