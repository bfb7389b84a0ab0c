export type Trial = 0 | 1 | 2
export const NO_TRIAL = 0
/** The next request is the one. */
export const TRIAL_DUE = 1
/** Its outcome decides; no other request goes there meanwhile. */
export const TRIAL_RUNNING = 2

export interface BalancedEndpointOptions {
  readonly address: string
  readonly port: number
  /** Share of the traffic relative to the others; 0: none. Default 1. */
  readonly weight?: number
  /** Topology zone of its node, where known. */
  readonly zone?: string
  /** Monotonic time at which it became ready. Long ago by default: no slow start. */
  readonly readySinceMs?: number
  /** Default false. */
  readonly terminating?: boolean
}

/**
 * One place requests go to and all that is remembered about it. It lives as long as the endpoint does, whatever
 * routing tables come and go, and may be shared by several balancers; each of its fields has one writer, named below.
 *
 * Every field is set here in one order, so that all endpoints share one hidden class; what is "not yet known" is NaN
 * or -Infinity, which keeps the fields of fractions doubles from the start: writing them allocates nothing.
 */
export class BalancedEndpoint {
  readonly address: string
  readonly port: number
  /** `address:port`, what the hashing balancers hash. */
  readonly name: string

  // Written by whoever keeps the routing table.
  weight: number
  zone: string | undefined
  readySinceMs: number
  /** Its pod is ending: no new requests while there is another. */
  terminating: boolean

  // Written by `EndpointGroup`.
  /** Requests under way from this proxy. */
  inFlight: number
  /** `weight` while slow start lasts less than that. What weighted balancers use. */
  effectiveWeight: number

  // Written by `latency-estimate.ts`.
  /** Peak-sensitive moving average of the latency; NaN before the first response. */
  latencyMs: number
  /** When `latencyMs` was written. */
  latencyAtMs: number
  /** What it usually needs, whatever single responses took; NaN before the first one. */
  usualMs: number
  /** Moving average of failures per response, 0 to 1; NaN before the first response. */
  failureRate: number

  // Written by `client-side-wrr.ts`.
  /** What the endpoint reports about itself (ORCA): utilization 0 to 1, requests and errors per second; NaN: nothing. */
  utilization: number
  requestRate: number
  errorRate: number
  /** First and latest report. */
  reportedSinceMs: number
  reportedAtMs: number

  // Written by the resilience room: outlier detection and failure accrual.
  /** Until then nothing is sent to it; -Infinity: not ejected. */
  ejectedUntilMs: number
  /** Multiplies the next ejection's time. */
  ejections: number
  consecutiveFailures: number
  /** Responses of the interval that is running. */
  intervalSuccesses: number
  intervalFailures: number
  /** When failure accrual's own interval for this endpoint began. */
  intervalSinceMs: number
  /** After an ejection by failure accrual one request tries it: whether that is due or under way. */
  trial: Trial

  constructor(options: BalancedEndpointOptions) {
    this.address = options.address
    this.port = options.port
    this.name = `${options.address}:${options.port}`
    this.weight = options.weight ?? 1
    this.zone = options.zone
    this.readySinceMs = options.readySinceMs ?? Number.NEGATIVE_INFINITY
    this.terminating = options.terminating ?? false
    this.inFlight = 0
    this.effectiveWeight = this.weight
    this.latencyMs = Number.NaN
    this.latencyAtMs = Number.NEGATIVE_INFINITY
    this.usualMs = Number.NaN
    this.failureRate = Number.NaN
    this.utilization = Number.NaN
    this.requestRate = Number.NaN
    this.errorRate = Number.NaN
    this.reportedSinceMs = Number.NEGATIVE_INFINITY
    this.reportedAtMs = Number.NEGATIVE_INFINITY
    this.ejectedUntilMs = Number.NEGATIVE_INFINITY
    this.ejections = 0
    this.consecutiveFailures = 0
    this.intervalSuccesses = 0
    this.intervalFailures = 0
    this.intervalSinceMs = Number.NEGATIVE_INFINITY
    this.trial = NO_TRIAL
  }
}
