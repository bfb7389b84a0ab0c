import type { Service } from '../../api/types/core-v1.gen.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'
import type { Refusal } from '../table/routing-table.ts'

/** Says once, as an Event on the Service, what of it is not served and why. */
export class RefusalReporter {
  readonly #events: EventRecorder
  readonly #service: (key: string) => Service | undefined
  readonly #told = new Map<string, ReadonlySet<string>>()

  constructor(events: EventRecorder, service: (key: string) => Service | undefined) {
    this.#events = events
    this.#service = service
  }

  /** The Service is refused this now; what it was refused before is not said again. */
  look(key: string, refusals: readonly Refusal[]): void {
    const told = this.#told.get(key)
    if (refusals.length === 0) {
      this.#told.delete(key)
      return
    }
    this.#told.set(key, new Set(refusals.map(({ message }) => message)))
    const service = this.#service(key)
    if (service === undefined) return
    for (const { reason, message } of refusals)
      if (told?.has(message) !== true)
        this.#events.event({ ...service, apiVersion: 'v1', kind: 'Service' }, 'Warning', reason, message)
  }
}
