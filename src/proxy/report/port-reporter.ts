import { findCondition } from '../../api/conditions.ts'
import { splitKey } from '../../api/object.ts'
import { SERVICES } from '../../api/resource-type.ts'
import type { Service } from '../../api/types/core-v1.gen.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'
import { runWorkers } from '../../client/run-workers.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import type { Binding } from '../l4/port-binding.ts'

export const PORTS_BOUND = 'wherry.dev/PortsBound'
export const PORT_NOT_BINDABLE = 'PortNotBindable'

export interface PortReporterOptions {
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  readonly events: EventRecorder
  service(key: string): Service | undefined
  /** All ports of one Service. */
  bindings(service: string): readonly Binding[]
}

/** What the condition says of a Service's ports; undefined while it needs to say nothing. */
export function portsCondition(
  service: Service,
  bindings: readonly Binding[],
):
  | { readonly type: string; readonly status: 'True' | 'False'; readonly reason: string; readonly message: string }
  | undefined {
  const failures = bindings.flatMap(({ binding }) => (binding.state === 'failed' ? [binding.message] : []))
  if (failures.length > 0)
    return {
      type: PORTS_BOUND,
      status: 'False',
      reason: PORT_NOT_BINDABLE,
      message: failures.join('; ').slice(0, 4_096),
    }
  // Services whose ports never failed are not written to.
  if (findCondition(service.status?.conditions, PORTS_BOUND) === undefined) return undefined
  return { type: PORTS_BOUND, status: 'True', reason: 'Bound', message: '' }
}

/** Tells people about ports that cannot be bound: an Event, and a condition in the Service's status that goes back to True. */
export class PortReporter {
  readonly #options: PortReporterOptions
  readonly #queue: WorkQueue
  readonly #workers: { close(): Promise<void> }

  constructor(options: PortReporterOptions) {
    this.#options = options
    this.#queue = new WorkQueue(options.clock)
    this.#workers = runWorkers({
      name: 'port-reporter',
      queue: this.#queue,
      workers: 1,
      reconcile: (key) => this.#reconcile(key),
      logger: options.logger,
    })
  }

  /** A port's state has changed. */
  changed({ listener, binding }: Binding): void {
    const { events } = this.#options
    const service = this.#options.service(listener.service)
    if (service !== undefined && binding.state === 'failed')
      events.event({ ...service, apiVersion: 'v1', kind: 'Service' }, 'Warning', PORT_NOT_BINDABLE, binding.message)
    this.#queue.add(listener.service)
  }

  /** The Service itself has changed: what its condition says may have to be taken back. */
  look(service: string): void {
    this.#queue.add(service)
  }

  close(): Promise<void> {
    return this.#workers.close()
  }

  async #reconcile(key: string): Promise<undefined> {
    const service = this.#options.service(key)
    if (service === undefined) return
    const wanted = portsCondition(service, this.#options.bindings(key))
    const found = findCondition(service.status?.conditions, PORTS_BOUND)
    if (wanted === undefined || (found?.status === wanted.status && found.message === wanted.message)) return
    const now = new Date(this.#options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
    const lastTransitionTime = found?.status === wanted.status ? found.lastTransitionTime : now
    const { namespace, name } = splitKey(key)
    await this.#options.client.patch(
      SERVICES,
      { namespace, name },
      { status: { conditions: [{ ...wanted, lastTransitionTime }] } },
      { type: 'application/strategic-merge-patch+json', subresource: 'status' },
    )
  }
}
