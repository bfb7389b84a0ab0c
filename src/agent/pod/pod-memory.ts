import type { Millis } from '../../base/clock.ts'

/** What is under way for a container or for the pod as a whole; nothing else is begun for it meanwhile. */
export type Busy =
  | { readonly kind: 'start' }
  /** A stop that will be over by `deadlineMs`; an earlier one may still be asked for. */
  | { readonly kind: 'stop'; readonly deadlineMs: Millis }
  | { readonly kind: 'work' }

/** A step that failed and is tried again; `reason` and `message` show in the waiting state. */
export interface Failure {
  readonly reason: string
  readonly message: string
  readonly retryAtMs: Millis
}

/** What the probes say of one attempt of a container. */
export interface ProbeSummary {
  readonly attempt: number
  readonly started: boolean
  readonly ready: boolean
  /** Set once a liveness or startup probe gave up on it. */
  readonly failed?: { readonly probe: 'liveness' | 'startup'; readonly graceMs?: Millis }
}

/** What the agent knows of a pod beyond the API object and what the runtime lists. Lost with the agent, by design. */
export interface PodMemory {
  /** The scheme of container ids in the status. */
  readonly runtimeName: string
  readonly hostIp: string
  /** The pod's address, once it has one. */
  readonly ip: string | undefined
  readonly volumesReady: boolean
  /** Keyed by container name, or by one of the pod's own steps. */
  readonly busy: ReadonlyMap<string | PodStep, Busy>
  readonly failures: ReadonlyMap<string | PodStep, Failure>
  /** What the last restart left behind, see `crash-backoff.ts`. */
  readonly crashDelays: ReadonlyMap<string, Millis>
  readonly probes: ReadonlyMap<string, ProbeSummary>
  /** The object is gone from the API: everything ends now, and nobody needs its status. */
  readonly gone: boolean
  /** Why the pod is evicted; undefined while it keeps its limits. */
  readonly evicted: string | undefined
  /** When the pod's end began, as far as this agent knows. */
  readonly endingSinceMs: Millis | undefined
  /** No proxy sends it anything any more, or it was waited for long enough. */
  readonly drained: boolean
}

/** Steps of the pod as a whole. `#` cannot begin a container's name. */
export const POD_STEPS = ['#sandbox', '#volumes', '#drain', '#finish'] as const
export type PodStep = (typeof POD_STEPS)[number]

/** Delays between tries of a step that failed: 1 s, doubling to 15 s. */
export function retryDelay(failures: number): Millis {
  return Math.min(1_000 * 2 ** Math.max(0, failures - 1), 15_000)
}
