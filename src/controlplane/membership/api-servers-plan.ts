import type { Lease } from '../../api/types/coordination-v1.gen.ts'
import type { Endpoints } from '../../api/types/core-v1.gen.ts'
import type { EndpointSlice } from '../../api/types/discovery-v1.gen.ts'
import type { Millis } from '../../base/clock.ts'

/** Kubernetes' own label of the Leases by which API servers are known. */
export const IDENTITY_LABEL = 'apiserver.kubernetes.io/identity'
export const IDENTITY = 'kube-apiserver'
/** Where the server of such a Lease is reached: `address:port`. */
export const ADDRESS_ANNOTATION = 'wherry.dev/api-address'

export interface ApiAddress {
  readonly address: string
  readonly port: number
}

/** When each version of a Lease was first seen here, in monotonic time: clocks of other machines say nothing. */
export type SeenLeases = ReadonlyMap<string, { readonly resourceVersion: string; readonly sinceMs: Millis }>

/** Keeps what was seen before; `blind` when nothing could be seen for a while, so that nobody's silence counts. */
export function observeLeases(leases: readonly Lease[], before: SeenLeases, nowMs: Millis, blind: boolean): SeenLeases {
  return new Map(
    leases.map(({ metadata }) => {
      const [name, resourceVersion] = [metadata?.name ?? '', metadata?.resourceVersion ?? '']
      const known = before.get(name)
      const isSame = !blind && known?.resourceVersion === resourceVersion
      return [name, isSame ? known : { resourceVersion, sinceMs: nowMs }]
    }),
  )
}

export function addressOf(lease: Lease): ApiAddress | undefined {
  const match = /^(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(lease.metadata?.annotations?.[ADDRESS_ANNOTATION] ?? '')
  return match === null ? undefined : { address: match[1]!, port: Number(match[2]) }
}

/** The servers whose Leases are renewed, and the names of those that are not. */
export function liveApiServers(
  leases: readonly Lease[],
  seen: SeenLeases,
  nowMs: Millis,
): { readonly live: readonly ApiAddress[]; readonly dead: readonly string[] } {
  const live = new Map<string, ApiAddress>()
  const dead: string[] = []
  for (const lease of leases) {
    const name = lease.metadata?.name ?? ''
    const { leaseDurationSeconds = 0 } = lease.spec ?? {}
    const isLive = nowMs - (seen.get(name)?.sinceMs ?? nowMs) <= leaseDurationSeconds * 1_000
    const at = addressOf(lease)
    if (!isLive) dead.push(name)
    else if (at !== undefined) live.set(`${at.address}:${at.port}`, at)
  }
  const order = (a: ApiAddress, b: ApiAddress): number =>
    a.port - b.port || (a.address < b.address ? -1 : a.address > b.address ? 1 : 0)
  return { live: [...live.values()].sort(order), dead }
}

function byPort(servers: readonly ApiAddress[]): ReadonlyMap<number, readonly string[]> {
  const ports = new Map<number, string[]>()
  for (const { address, port } of servers) ports.set(port, [...(ports.get(port) ?? []), address])
  return ports
}

/** The subsets of the Endpoints `default/kubernetes`: one for each port that servers listen on. */
export function endpointsSubsets(servers: readonly ApiAddress[]): NonNullable<Endpoints['subsets']> {
  return [...byPort(servers)].map(([port, addresses]) => ({
    addresses: addresses.map((ip) => ({ ip })),
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  }))
}

/** The EndpointSlices of `default/kubernetes` by name: a slice has one set of ports, so there is one for each port. */
export function kubernetesSlices(servers: readonly ApiAddress[], servicePort: number): readonly EndpointSlice[] {
  return [...byPort(servers)].map(([port, addresses]) => ({
    metadata: {
      namespace: 'default',
      // The name that everybody knows, for the port that the Service names.
      name: port === servicePort ? 'kubernetes' : `kubernetes-${port}`,
      labels: { 'kubernetes.io/service-name': 'kubernetes' },
    },
    addressType: 'IPv4',
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  }))
}
