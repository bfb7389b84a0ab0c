import type { ClusterState } from './cluster-state.ts'
import type { NodeInfo } from './node-info.ts'
import type { PodInfo } from './pod-info.ts'

/** Answers a question as if these pods were on the node, too. */
export function withGuests<T>(state: ClusterState, node: NodeInfo, guests: readonly PodInfo[], ask: () => T): T {
  const added = guests.filter(({ key }) => state.placeOf(key) === undefined)
  for (const guest of added) state.setPod(guest, node.name)
  try {
    return ask()
  } finally {
    for (const guest of added) state.removePod(guest.key)
  }
}
