import type { RoutingTable } from './routing-table.ts'

/**
 * Addresses of ending pods that get no new connection any more, in order. One that still serves because its Service
 * has nothing better (KEP-1669) is not among them: it has not been let go of.
 */
export function drainingAddresses(table: RoutingTable): readonly string[] {
  const ending = new Set<string>()
  for (const { terminating } of table.services.values()) for (const address of terminating) ending.add(address)
  if (ending.size === 0) return []
  for (const { endpoints, endpointsByNode } of table.listeners.values()) {
    for (const { address } of endpoints) ending.delete(address)
    for (const local of endpointsByNode?.values() ?? []) for (const { address } of local) ending.delete(address)
  }
  return [...ending].sort()
}
