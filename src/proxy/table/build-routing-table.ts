import { objectKey } from '../../api/object.ts'
import type { Service } from '../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import { EMPTY_TABLE, type RoutingTable } from './routing-table.ts'
import { serviceRoutes } from './service-routes.ts'
import type { TableContext } from './table-context.ts'
import { updateRoutingTable } from './update-routing-table.ts'

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'

/** `namespace/name` of the Service a slice belongs to; `namespace/` when it names none. */
export function serviceOfSlice(slice: EndpointSlice): string {
  return `${slice.metadata?.namespace ?? ''}/${slice.metadata?.labels?.[SERVICE_NAME_LABEL] ?? ''}`
}

/** The table for everything there is. Order of input does not matter. */
export function buildRoutingTable(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  context: TableContext,
): RoutingTable {
  const byService = Map.groupBy(slices, serviceOfSlice)
  const byKey = new Map(services.map((service) => [objectKey(service), service]))
  const routes = new Map(
    [...new Set([...byKey.keys(), ...byService.keys()])].map((key) => [
      key,
      serviceRoutes(byKey.get(key), byService.get(key) ?? [], context),
    ]),
  )
  return updateRoutingTable(EMPTY_TABLE, routes)
}
