import type { RoutingTable } from '../table/routing-table.ts'

/** What carries connections the way a routing table says. */
export interface Dataplane {
  /** Goes from one table to the next; resolves when every new listener is there or known not to be possible now. */
  apply(previous: RoutingTable, next: RoutingTable): Promise<void>
  /** Stops listening and drops what is open. */
  close(): Promise<void>
}
