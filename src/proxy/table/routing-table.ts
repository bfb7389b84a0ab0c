/** One place a connection can be sent to. */
export interface Endpoint {
  readonly address: string
  readonly port: number
  /** The node its pod runs on, where the EndpointSlice says so. */
  readonly nodeName: string | undefined
}

export const LISTENER_KINDS = ['ClusterIP', 'NodePort', 'LoadBalancer'] as const
export type ListenerKind = (typeof LISTENER_KINDS)[number]

/** An address and port that a Service is reached at, and where connections to it go. */
export interface Listener {
  /** `TCP 127.70.16.5:80`: no two listeners of a table share one. */
  readonly key: string
  readonly protocol: 'TCP' | 'UDP'
  readonly address: string
  readonly port: number
  readonly kind: ListenerKind
  /** `namespace/name` of the Service. */
  readonly service: string
  /** `namespace/name:port name`: all listeners of one Service port take turns and stick together. */
  readonly servicePort: string
  /** In order of address and port. Empty: nothing listens, so that clients are refused at once. */
  readonly endpoints: readonly Endpoint[]
  /** With `internalTrafficPolicy: Local`: where clients of a known node go; clients of unknown ones go to `endpoints`. */
  readonly endpointsByNode: ReadonlyMap<string, readonly Endpoint[]> | undefined
  /** CIDRs that clients must come from; undefined: from anywhere. */
  readonly sourceRanges: readonly string[] | undefined
  /** How long a client stays with its endpoint after its last connection; undefined: not at all. */
  readonly affinityMs: number | undefined
  /** Endpoints see the client's own address as the source (`externalTrafficPolicy: Local`). */
  readonly keepSource: boolean
  /** Decides between two Services that claim the same key: the smaller one, which is the older Service, has it. */
  readonly rank: string
}

/** What was asked for and is not done, with the words for the person who asked. */
export interface Refusal {
  readonly reason: 'ExternalIPRefused' | 'EndpointRefused' | 'AddressRefused' | 'ProtocolNotSupported'
  readonly message: string
}

/** All that follows from one Service and its EndpointSlices. */
export interface ServiceRoutes {
  readonly listeners: readonly Listener[]
  /** Addresses of endpoints whose pods are ending, in order; some may still be chosen for want of others. */
  readonly terminating: readonly string[]
  readonly refusals: readonly Refusal[]
}

/** Where every connection goes. Never changed: a change of a Service makes a new table that shares the rest. */
export interface RoutingTable {
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, ServiceRoutes>
  /** By listener key. */
  readonly listeners: ReadonlyMap<string, Listener>
  /** All claims to keys that more than one Service wants. */
  readonly contested: ReadonlyMap<string, readonly Listener[]>
}

export const EMPTY_TABLE: RoutingTable = { services: new Map(), listeners: new Map(), contested: new Map() }

export function listenerKey(protocol: string, address: string, port: number): string {
  return `${protocol} ${address}:${port}`
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.port === b.port && a.nodeName === b.nodeName
}

export function compareEndpoints(a: Endpoint, b: Endpoint): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1
  return a.port - b.port
}
