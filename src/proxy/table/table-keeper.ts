import { objectKey, splitKey } from '../../api/object.ts'
import { ENDPOINT_SLICES, SERVICES } from '../../api/resource-type.ts'
import type { Service } from '../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import type { Clock, Millis } from '../../base/clock.ts'
import type { Change, Informer } from '../../client/informer.ts'
import type { InformerFactory } from '../../client/informer-factory.ts'
import { EMPTY_TABLE, type RoutingTable, type ServiceRoutes } from './routing-table.ts'
import { serviceOfSlice } from './service-of-slice.ts'
import { serviceRoutes } from './service-routes.ts'
import type { TableContext } from './table-context.ts'
import { updateRoutingTable } from './update-routing-table.ts'

const BY_SERVICE = 'bySliceService'
/** When what made an EndpointSlice change has happened, as its controller writes it. */
const LAST_CHANGE_TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time'
/** Of one round; others are not timed. */
const TRIGGERS_MAX = 1_000

export interface TableChange {
  readonly previous: RoutingTable
  readonly next: RoutingTable
  /** Services whose routes were made anew. */
  readonly services: readonly string[]
  /** Times (milliseconds since the epoch) of the causes that EndpointSlices name and that fell in this proxy's life. */
  readonly triggeredAt: readonly Millis[]
}

/** Changes that have come from the API. */
export interface ChangeCounts {
  readonly servicesTotal: number
  readonly servicesPending: number
  readonly slicesTotal: number
  readonly slicesPending: number
}

/**
 * The table that follows from what the API holds now. Changes are taken together for one turn of the event loop, and
 * only the Services concerned are looked at again. While the API is away the last table stays.
 */
export class TableKeeper {
  readonly #services: Informer<Service>
  readonly #slices: Informer<EndpointSlice>
  readonly #context: TableContext
  readonly #onChange: () => void
  readonly #startedAt: Millis
  readonly #dirty = new Set<string>()
  readonly #triggers = new Set<string>()
  readonly #counts = { servicesTotal: 0, servicesPending: 0, slicesTotal: 0, slicesPending: 0 }
  #isScheduled = false
  #table: RoutingTable = EMPTY_TABLE

  /** `onChange` is called once a turn in which something has changed; `rebuild` then gives the new table. */
  constructor(informers: InformerFactory, context: TableContext, clock: Clock, onChange: () => void) {
    this.#context = context
    this.#onChange = onChange
    this.#startedAt = clock.now()
    this.#services = informers.for(SERVICES)
    this.#slices = informers.for(ENDPOINT_SLICES, { indexes: { [BY_SERVICE]: (slice) => [serviceOfSlice(slice)] } })
  }

  /** Resolves once all there is has been read; from then on changes are told. */
  async start(): Promise<void> {
    await Promise.all([this.#services.synced, this.#slices.synced])
    this.#services.onChange(({ object }) => {
      this.#counts.servicesTotal += 1
      this.#counts.servicesPending += 1
      this.#mark(objectKey(object))
    })
    this.#slices.onChange((change) => this.#sliceChanged(change))
  }

  service(key: string): Service | undefined {
    const { namespace, name } = splitKey(key)
    return this.#services.get(namespace, name)
  }

  get table(): RoutingTable {
    return this.#table
  }

  get counts(): ChangeCounts {
    return this.#counts
  }

  rebuild(): TableChange {
    const services = [...this.#dirty]
    this.#dirty.clear()
    this.#counts.servicesPending = 0
    this.#counts.slicesPending = 0
    const triggeredAt = [...this.#triggers].map((text) => Date.parse(text)).filter((at) => at >= this.#startedAt)
    this.#triggers.clear()
    const changes = new Map<string, ServiceRoutes>(
      services.map((key) => [
        key,
        serviceRoutes(this.service(key), this.#slices.byIndex(BY_SERVICE, key), this.#context),
      ]),
    )
    const previous = this.#table
    this.#table = updateRoutingTable(previous, changes)
    return { previous, next: this.#table, services, triggeredAt }
  }

  #sliceChanged(change: Change<EndpointSlice>): void {
    this.#counts.slicesTotal += 1
    this.#counts.slicesPending += 1
    const { object } = change
    this.#mark(serviceOfSlice(object))
    const trigger = object.metadata?.annotations?.[LAST_CHANGE_TRIGGER_TIME]
    let before: string | undefined
    if (change.type === 'modified') {
      // A slice can be moved to another Service by its label.
      this.#mark(serviceOfSlice(change.previous))
      before = change.previous.metadata?.annotations?.[LAST_CHANGE_TRIGGER_TIME]
    }
    const isNews = trigger !== undefined && trigger !== before && change.type !== 'deleted'
    if (isNews && this.#triggers.size < TRIGGERS_MAX) this.#triggers.add(trigger)
  }

  #mark(service: string): void {
    this.#dirty.add(service)
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#onChange()
    })
  }
}
