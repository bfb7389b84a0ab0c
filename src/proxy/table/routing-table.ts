import type { Ipv4Range } from '../../base/ipv4.ts'
import type { HttpPortOptions } from '../http-services/http-port-options.ts'
import { PersistentMap } from './persistent-map.ts'

/** One place a connection can be sent to. */
export interface Endpoint {
  readonly address: string
  readonly port: number
  /** The node its pod runs on, where the EndpointSlice says so. */
  readonly nodeName: string | undefined
  /** Its pod's name, where the EndpointSlice says so; the pod is in the Service's namespace. */
  readonly pod?: string
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
  /** `endpoints` are those of this node alone (`externalTrafficPolicy: Local`); undefined: of all nodes. */
  readonly localTo: string | undefined
  /** With `internalTrafficPolicy: Local`: where clients of a known node go; clients of unknown ones go to `endpoints`. */
  readonly endpointsByNode: ReadonlyMap<string, readonly Endpoint[]> | undefined
  /** Where clients must come from; undefined: from anywhere. */
  readonly sourceRanges: readonly Ipv4Range[] | undefined
  /** How long a client stays with its endpoint after its last connection; undefined: not at all. */
  readonly affinityMs: number | undefined
  /** Endpoints see the client's own address as the source (`externalTrafficPolicy: Local`). */
  readonly keepSource: boolean
  /** Connections carry HTTP, and each request is balanced by itself, this way; undefined: bytes are relayed. */
  readonly http: HttpPortOptions | undefined
  /** Decides between two Services that claim the same key: the smaller one, which is the older Service, has it. */
  readonly rank: string
}

/** What was asked for and is not done, with the words for the person who asked. */
export interface Refusal {
  readonly reason:
    | 'ExternalIPRefused'
    | 'EndpointRefused'
    | 'AddressRefused'
    | 'ProtocolNotSupported'
    | 'InvalidAnnotation'
  readonly message: string
}

/** What one Service makes of an address that its EndpointSlices hold. */
export interface AddressRole {
  readonly address: string
  /** Some listener of the Service may send connections to it. */
  readonly isChosen: boolean
  /** Its pod is ending; it may still be chosen for want of others. */
  readonly isTerminating: boolean
}

/** All that follows from one Service and its EndpointSlices. */
export interface ServiceRoutes {
  readonly listeners: readonly Listener[]
  /** Each address once, in order. */
  readonly addresses: readonly AddressRole[]
  readonly refusals: readonly Refusal[]
  /** With `healthCheckNodePort`: where load balancers ask which nodes have endpoints of their own. */
  readonly healthCheck: HealthCheck | undefined
}

/** Answers on every node's address whether that node has endpoints of the Service (`externalTrafficPolicy: Local`). */
export interface HealthCheck {
  /** `namespace/name` of the Service. */
  readonly service: string
  readonly port: number
  /** How many ready endpoints each node has, by its name. */
  readonly endpointsByNode: ReadonlyMap<string, number>
}

/** How many Services hold an address, as what. */
export interface AddressUse {
  readonly held: number
  readonly chosen: number
  readonly terminating: number
}

/**
 * Where every connection goes. Never changed: a change of a Service makes a new table that shares the rest, so making
 * it and telling it from the last one cost what has changed.
 */
export interface RoutingTable {
  /** By `namespace/name`. */
  readonly services: PersistentMap<ServiceRoutes>
  /** By listener key. */
  readonly listeners: PersistentMap<Listener>
  /** All claims to keys that more than one Service wants. */
  readonly contested: PersistentMap<readonly Listener[]>
  readonly addresses: PersistentMap<AddressUse>
  /**
   * Addresses of ending pods that get no new connection any more. One that still serves because its Service has nothing
   * better (KEP-1669) is not among them: it has not been let go of.
   */
  readonly draining: PersistentMap<AddressUse>
}

export const EMPTY_TABLE: RoutingTable = {
  services: PersistentMap.empty(),
  listeners: PersistentMap.empty(),
  contested: PersistentMap.empty(),
  addresses: PersistentMap.empty(),
  draining: PersistentMap.empty(),
}

export function listenerKey(protocol: string, address: string, port: number): string {
  return `${protocol} ${address}:${port}`
}

export function compareEndpoints(a: Endpoint, b: Endpoint): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1
  return a.port - b.port
}

/** All endpoints that clients of a listener may be sent to, wherever they come from; some more than once. */
export function* reachable({ endpoints, endpointsByNode }: Listener): Generator<Endpoint> {
  yield* endpoints
  for (const local of endpointsByNode?.values() ?? []) yield* local
}
