import { PersistentMap } from './persistent-map.ts'
import type { Listener, RoutingTable } from './routing-table.ts'

export interface TableDiff {
  readonly added: readonly Listener[]
  readonly removed: readonly Listener[]
  /** As they are now. Those of a Service that was looked at again count, whether or not anything came of it. */
  readonly changed: readonly Listener[]
  /** Addresses that get no new connections from now on because their pods are ending. */
  readonly letGo: readonly string[]
  /** Addresses that were let go of and may be chosen again, or are gone. */
  readonly takenBack: readonly string[]
  /** Addresses that no Service holds any more. */
  readonly gone: readonly string[]
  /** Addresses that no Service held before. */
  readonly come: readonly string[]
}

/** What a data plane has to do to get from one table to the other. Costs what differs between them. */
export function diffTables(previous: RoutingTable, next: RoutingTable): TableDiff {
  const added: Listener[] = []
  const removed: Listener[] = []
  const changed: Listener[] = []
  for (const { before, after } of PersistentMap.differences(previous.listeners, next.listeners)) {
    if (before === undefined) added.push(after!)
    else if (after === undefined) removed.push(before)
    else changed.push(after)
  }
  const draining = PersistentMap.differences(previous.draining, next.draining)
  const addresses = PersistentMap.differences(previous.addresses, next.addresses)
  return {
    added,
    removed,
    changed,
    letGo: draining.flatMap(({ key, before }) => (before === undefined ? [key] : [])),
    takenBack: draining.flatMap(({ key, after }) => (after === undefined ? [key] : [])),
    gone: addresses.flatMap(({ key, after }) => (after === undefined ? [key] : [])),
    come: addresses.flatMap(({ key, before }) => (before === undefined ? [key] : [])),
  }
}
