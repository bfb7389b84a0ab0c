import type { Listener, RoutingTable, ServiceRoutes } from './routing-table.ts'

/**
 * A table in which the given Services have new routes (or none) and all others what they had. Where two Services claim
 * one address and port, the older one has it, and the other gets it when the older one lets go.
 */
export function updateRoutingTable(
  previous: RoutingTable,
  changes: ReadonlyMap<string, ServiceRoutes | undefined>,
): RoutingTable {
  const services = new Map(previous.services)
  const listeners = new Map(previous.listeners)
  const contested = new Map(previous.contested)
  for (const [service, routes] of changes) {
    for (const old of services.get(service)?.listeners ?? []) withdraw(old, listeners, contested)
    if (routes === undefined || isEmpty(routes)) services.delete(service)
    else services.set(service, routes)
    for (const next of routes?.listeners ?? []) claim(next, listeners, contested)
  }
  return { services, listeners, contested }
}

function isEmpty({ listeners, terminating, refusals }: ServiceRoutes): boolean {
  return listeners.length + terminating.length + refusals.length === 0
}

function claim(next: Listener, listeners: Map<string, Listener>, contested: Map<string, readonly Listener[]>): void {
  const holder = listeners.get(next.key)
  if (holder === undefined) {
    listeners.set(next.key, next)
    return
  }
  settle(next.key, [...(contested.get(next.key) ?? [holder]), next], listeners, contested)
}

function withdraw(old: Listener, listeners: Map<string, Listener>, contested: Map<string, readonly Listener[]>): void {
  const claims = contested.get(old.key)
  if (claims === undefined) listeners.delete(old.key)
  else
    settle(
      old.key,
      claims.filter((claim) => claim !== old),
      listeners,
      contested,
    )
}

function settle(
  key: string,
  claims: readonly Listener[],
  listeners: Map<string, Listener>,
  contested: Map<string, readonly Listener[]>,
): void {
  const inOrder = [...claims].sort(byRank)
  if (inOrder.length > 1) contested.set(key, inOrder)
  else contested.delete(key)
  if (inOrder.length === 0) listeners.delete(key)
  else listeners.set(key, inOrder[0]!)
}

/** Two ports of one Service may claim the same key, too, as when its LoadBalancer address is listed twice. */
function byRank(a: Listener, b: Listener): number {
  const [left, right] = [`${a.rank}\0${a.servicePort}\0${a.kind}`, `${b.rank}\0${b.servicePort}\0${b.kind}`]
  return left < right ? -1 : left > right ? 1 : 0
}
