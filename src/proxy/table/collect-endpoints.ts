import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import { type AddressRole, compareEndpoints, type Endpoint } from './routing-table.ts'

/** An endpoint of one Service port with what decides whether it is chosen. */
export interface Candidate {
  readonly endpoint: Endpoint
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
}

/**
 * The endpoints that slices hold for one port of a Service (by the port's name and protocol), each address and port
 * once, in order. An endpoint that stands in two slices, as while it moves from one to the other, counts by its better
 * side. Unset conditions mean what the API says: ready, serving as ready, not terminating.
 */
export function collectEndpoints(
  slices: readonly EndpointSlice[],
  portName: string,
  protocol: string,
): readonly Candidate[] {
  const found = new Map<string, Candidate>()
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue
    for (const { name, protocol: sliceProtocol, port } of slice.ports ?? []) {
      if ((name ?? '') !== portName || (sliceProtocol ?? 'TCP') !== protocol || port === undefined) continue
      for (const { addresses, conditions, nodeName, targetRef } of slice.endpoints ?? []) {
        // All addresses of an endpoint are the same pod; consumers take the first, as the API asks for.
        const address = addresses[0]
        if (address === undefined) continue
        const ready = conditions?.ready ?? true
        const serving = conditions?.serving ?? ready
        const terminating = conditions?.terminating ?? false
        const key = `${address}:${port}`
        const known = found.get(key)
        const pod = targetRef?.kind === 'Pod' ? targetRef.name : undefined
        const endpoint = { address, port, nodeName, ...(pod === undefined ? {} : { pod }) }
        found.set(key, better(known, { endpoint, ready, serving, terminating }))
      }
    }
  }
  return [...found.values()].sort((a, b) => compareEndpoints(a.endpoint, b.endpoint))
}

function better(known: Candidate | undefined, next: Candidate): Candidate {
  if (known === undefined) return next
  const score = (c: Candidate): string =>
    `${Number(c.ready)}${Number(c.serving)}${Number(!c.terminating)}${c.endpoint.nodeName ?? ''}`
  return score(next) > score(known) ? next : known
}

/**
 * All addresses that slices hold, whatever their ports, each once and in order, with what the Service makes of them. An
 * address is terminating when any slice says so.
 */
export function addressRoles(slices: readonly EndpointSlice[], chosen: ReadonlySet<string>): readonly AddressRole[] {
  const found = new Map<string, boolean>()
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue
    for (const { addresses, conditions } of slice.endpoints ?? []) {
      const address = addresses[0]
      if (address !== undefined) found.set(address, found.get(address) === true || conditions?.terminating === true)
    }
  }
  return [...found]
    .map(([address, isTerminating]) => ({ address, isChosen: chosen.has(address), isTerminating }))
    .sort((a, b) => (a.address < b.address ? -1 : 1))
}

/** Those that get connections: the ready ones; if there are none, those that end but still serve (KEP-1669). */
export function chooseEndpoints(candidates: readonly Candidate[]): readonly Endpoint[] {
  const ready = candidates.filter((candidate) => candidate.ready)
  const chosen = ready.length > 0 ? ready : candidates.filter((c) => c.serving && c.terminating)
  return chosen.map(({ endpoint }) => endpoint)
}
