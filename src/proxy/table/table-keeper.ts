import { objectKey, splitKey } from '../../api/object.ts'
import { ENDPOINT_SLICES, SERVICES } from '../../api/resource-type.ts'
import type { Service } from '../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import type { Informer } from '../../client/informer.ts'
import type { InformerFactory } from '../../client/informer-factory.ts'
import { serviceOfSlice } from './build-routing-table.ts'
import { EMPTY_TABLE, type RoutingTable, type ServiceRoutes } from './routing-table.ts'
import { serviceRoutes } from './service-routes.ts'
import type { TableContext } from './table-context.ts'
import { updateRoutingTable } from './update-routing-table.ts'

const BY_SERVICE = 'bySliceService'

export interface TableChange {
  readonly previous: RoutingTable
  readonly next: RoutingTable
  /** Services whose routes were made anew. */
  readonly services: readonly string[]
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
  readonly #dirty = new Set<string>()
  #isScheduled = false
  #table: RoutingTable = EMPTY_TABLE

  /** `onChange` is called once a turn in which something has changed; `rebuild` then gives the new table. */
  constructor(informers: InformerFactory, context: TableContext, onChange: () => void) {
    this.#context = context
    this.#onChange = onChange
    this.#services = informers.for(SERVICES)
    this.#slices = informers.for(ENDPOINT_SLICES, { indexes: { [BY_SERVICE]: (slice) => [serviceOfSlice(slice)] } })
  }

  /** Resolves once all there is has been read; from then on changes are told. */
  async start(): Promise<void> {
    await Promise.all([this.#services.synced, this.#slices.synced])
    this.#services.onChange(({ object }) => this.#mark(objectKey(object)))
    this.#slices.onChange((change) => {
      this.#mark(serviceOfSlice(change.object))
      // A slice can be moved to another Service by its label.
      if (change.type === 'modified') this.#mark(serviceOfSlice(change.previous))
    })
  }

  service(key: string): Service | undefined {
    const { namespace, name } = splitKey(key)
    return this.#services.get(namespace, name)
  }

  get table(): RoutingTable {
    return this.#table
  }

  rebuild(): TableChange {
    const services = [...this.#dirty]
    this.#dirty.clear()
    const changes = new Map<string, ServiceRoutes>(
      services.map((key) => [
        key,
        serviceRoutes(this.service(key), this.#slices.byIndex(BY_SERVICE, key), this.#context),
      ]),
    )
    const previous = this.#table
    this.#table = updateRoutingTable(previous, changes)
    return { previous, next: this.#table, services }
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
