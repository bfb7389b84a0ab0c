/** Upper bounds of the latency classes in milliseconds; requests slower than the last are in one class more. */
export const MESH_LATENCY_BOUNDS_MS = [
  0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000,
  30_000,
] as const

/** Counted since the proxy started; what is gone comes back at zero, as counters of Prometheus do. */
export interface MeshRequests {
  readonly total: number
  /** Answered with anything but 5xx, by a server. */
  readonly successful: number
  /** One number more than there are bounds (`MESH_LATENCY_BOUNDS_MS`), each of its class alone, not cumulative. */
  readonly latencyCounts: readonly number[]
}

/** One pod behind one Service port, as one proxy sees it. */
export interface MeshEndpoint {
  /** `address:port`. */
  readonly endpoint: string
  /** The pod's name, in the Service's namespace, where the EndpointSlice names one. */
  readonly pod: string | undefined
  /** Requests under way. Undefined: the port is not HTTP. */
  readonly inFlight: number | undefined
  /** Undefined: the port is not HTTP. */
  readonly requests: MeshRequests | undefined
  readonly openConnections: number
  readonly connections: number
  /** From clients. */
  readonly receivedBytes: number
  /** To clients. */
  readonly sentBytes: number
}

/** What a proxy's `/mesh` answers: the traffic of each Service port, for the metrics APIs. */
export interface MeshSummary {
  /** When the proxy started, in milliseconds since 1970: with another one all counters began anew. */
  readonly startedAtMs: number
  /** When these figures were taken, by the proxy's monotonic clock, for rates. */
  readonly takenAtMs: number
  readonly ports: readonly {
    readonly namespace: string
    readonly service: string
    /** The port's name in the Service; empty when it has none. */
    readonly port: string
    readonly endpoints: readonly MeshEndpoint[]
  }[]
}
