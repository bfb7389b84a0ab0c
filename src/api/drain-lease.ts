/**
 * How a proxy tells agents which terminating endpoints it has stopped choosing. Each proxy keeps one Lease
 * `kube-system/wherry-proxy-<node>` (renewed every 10 s, lease 40 s) whose annotation lists the terminating endpoint
 * addresses it has taken out of balancing, each with its number of connections that still carry traffic. An agent that
 * ends a pod waits (bounded) until every live proxy lists the pod's address with 0, and only then signals it.
 */
export const PROXY_LEASE_NAMESPACE = 'kube-system'
export const PROXY_LEASE_PREFIX = 'wherry-proxy-'
export const DRAINING_ANNOTATION = 'wherry.dev/draining'

/** `127.70.129.4=2,127.70.129.9=0`, in order of address. */
export function formatDraining(activeByAddress: ReadonlyMap<string, number>): string {
  return [...activeByAddress]
    .map(([address, active]) => `${address}=${active}`)
    .sort()
    .join(',')
}

/** Reads what `formatDraining` wrote; entries that make no sense are left out. */
export function parseDraining(text: string | undefined): ReadonlyMap<string, number> {
  const result = new Map<string, number>()
  for (const entry of (text ?? '').split(',')) {
    const match = /^([0-9a-f.:]+)=(\d{1,9})$/i.exec(entry)
    if (match) result.set(match[1]!, Number(match[2]))
  }
  return result
}
