import type { Listener } from '../table/routing-table.ts'
import type { ServicePort } from './service-port.ts'

/** A bound address and port. */
export interface OpenPort {
  /** From now on connections go where `next` says. */
  update(next: Listener, servicePort: ServicePort): void
  /** Lets go of the port. Open connections stay; sessions of protocols without connections end. */
  close(): Promise<void>
}
