import { inRange } from '../../base/ipv4.ts'
import type { Endpoint, Listener } from '../table/routing-table.ts'

/** True when choosing an endpoint needs to know where the client comes from, which costs a system call. */
export function needsClientAddress(listener: Listener): boolean {
  return (
    listener.sourceRanges !== undefined ||
    listener.affinityMs !== undefined ||
    listener.endpointsByNode !== undefined ||
    listener.keepSource
  )
}

/** What this client may reach: nothing from outside the source ranges, its own node's endpoints where traffic stays local. */
export function endpointsForClient(
  listener: Listener,
  client: string,
  nodeOf: (client: string) => string | undefined,
): readonly Endpoint[] {
  if (listener.sourceRanges?.some((range) => inRange(range, client)) === false) return []
  if (listener.endpointsByNode === undefined) return listener.endpoints
  const node = nodeOf(client)
  return node === undefined ? listener.endpoints : (listener.endpointsByNode.get(node) ?? [])
}
