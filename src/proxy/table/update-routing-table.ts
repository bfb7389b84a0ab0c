import type { PersistentMap } from './persistent-map.ts'
import type { AddressRole, AddressUse, Listener, RoutingTable, ServiceRoutes } from './routing-table.ts'

/** A table under construction: its fields are replaced one by one. */
type Draft = { -readonly [K in keyof RoutingTable]: RoutingTable[K] }

/**
 * A table in which the given Services have new routes (or none) and all others what they had. Where two Services claim
 * one address and port, the older one has it, and the other gets it when the older one lets go. Costs what the changed
 * Services hold, whatever there is beside them.
 */
export function updateRoutingTable(
  previous: RoutingTable,
  changes: ReadonlyMap<string, ServiceRoutes | undefined>,
): RoutingTable {
  const draft: Draft = { ...previous }
  for (const [service, routes] of changes) {
    const old = draft.services.get(service)
    for (const listener of old?.listeners ?? []) withdraw(listener, draft)
    draft.services =
      routes === undefined || isEmpty(routes) ? draft.services.delete(service) : draft.services.set(service, routes)
    for (const listener of routes?.listeners ?? []) claim(listener, draft)
    // What comes before what goes: an address that stays is never out of use in between.
    for (const role of routes?.addresses ?? []) use(role, 1, draft)
    for (const role of old?.addresses ?? []) use(role, -1, draft)
  }
  return draft
}

function isEmpty({ listeners, addresses, refusals, healthCheck }: ServiceRoutes): boolean {
  return listeners.length + addresses.length + refusals.length === 0 && healthCheck === undefined
}

function claim(next: Listener, draft: Draft): void {
  const holder = draft.listeners.get(next.key)
  if (holder === undefined) draft.listeners = draft.listeners.set(next.key, next)
  else settle(next.key, [...(draft.contested.get(next.key) ?? [holder]), next], draft)
}

function withdraw(old: Listener, draft: Draft): void {
  const claims = draft.contested.get(old.key)
  if (claims === undefined) draft.listeners = draft.listeners.delete(old.key)
  else
    settle(
      old.key,
      claims.filter((claim) => claim !== old),
      draft,
    )
}

function settle(key: string, claims: readonly Listener[], draft: Draft): void {
  const inOrder = claims.toSorted(byRank)
  draft.contested = inOrder.length > 1 ? draft.contested.set(key, inOrder) : draft.contested.delete(key)
  draft.listeners = inOrder.length === 0 ? draft.listeners.delete(key) : draft.listeners.set(key, inOrder[0]!)
}

/** Two ports of one Service may claim the same key, too, as when its LoadBalancer address is listed twice. */
function byRank(a: Listener, b: Listener): number {
  const [left, right] = [`${a.rank}\0${a.servicePort}\0${a.kind}`, `${b.rank}\0${b.servicePort}\0${b.kind}`]
  return left < right ? -1 : left > right ? 1 : 0
}

const UNUSED: AddressUse = { held: 0, chosen: 0, terminating: 0 }

function use({ address, isChosen, isTerminating }: AddressRole, by: 1 | -1, draft: Draft): void {
  const { held, chosen, terminating } = draft.addresses.get(address) ?? UNUSED
  const next: AddressUse = {
    held: held + by,
    chosen: chosen + (isChosen ? by : 0),
    terminating: terminating + (isTerminating ? by : 0),
  }
  draft.addresses = put(draft.addresses, address, next.held > 0 ? next : undefined)
  draft.draining = put(draft.draining, address, next.terminating > 0 && next.chosen === 0 ? next : undefined)
}

function put(
  uses: PersistentMap<AddressUse>,
  address: string,
  next: AddressUse | undefined,
): PersistentMap<AddressUse> {
  return next === undefined ? uses.delete(address) : uses.set(address, next)
}
