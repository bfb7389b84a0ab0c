import type { Listener } from '../table/routing-table.ts'

/** A bound address and port. */
export interface OpenPort {
  /** From now on connections go where `next` says. */
  update(next: Listener): void
  /** Lets go of the port. Open connections stay; sessions of protocols without connections end. */
  close(): Promise<void>
}
