import { isDeepStrictEqual } from 'node:util'
import { type Endpoint, type Listener, type RoutingTable, sameEndpoint } from './routing-table.ts'

export interface ListenerChange {
  readonly previous: Listener
  readonly next: Listener
  /** Endpoints that may no longer be chosen here. */
  readonly gone: readonly Endpoint[]
  readonly come: readonly Endpoint[]
}

export interface TableDiff {
  readonly added: readonly Listener[]
  readonly removed: readonly Listener[]
  readonly changed: readonly ListenerChange[]
}

/** What a data plane has to do to get from one table to the other. Listeners that the tables share cost a comparison of references. */
export function diffTables(previous: RoutingTable, next: RoutingTable): TableDiff {
  const added: Listener[] = []
  const removed: Listener[] = []
  const changed: ListenerChange[] = []
  for (const [key, listener] of next.listeners) {
    const before = previous.listeners.get(key)
    if (before === listener) continue
    if (before === undefined) added.push(listener)
    else if (!isDeepStrictEqual(before, listener)) changed.push(listenerChange(before, listener))
  }
  for (const [key, listener] of previous.listeners) if (!next.listeners.has(key)) removed.push(listener)
  return { added, removed, changed }
}

function listenerChange(previous: Listener, next: Listener): ListenerChange {
  const missing = (from: Listener, other: Listener): readonly Endpoint[] =>
    from.endpoints.filter((endpoint) => !other.endpoints.some((candidate) => sameEndpoint(candidate, endpoint)))
  return { previous, next, gone: missing(previous, next), come: missing(next, previous) }
}
