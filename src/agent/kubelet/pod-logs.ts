/** What `kubectl logs` asks for, already validated (see PodLogOptions of the core API). */
export interface ContainerLogOptions {
  readonly follow: boolean
  /** The attempt before the current one. */
  readonly previous: boolean
  readonly tailLines?: number
  /** Only what was written at or after this moment, milliseconds since the epoch. */
  readonly sinceMs?: number
  readonly timestamps: boolean
  readonly limitBytes?: number
}

/**
 * How the node API reaches the logs of the pods on this node; the agent's pod manager gives it. `open` rejects with
 * `PodLogsError` when there is nothing to read, so that the caller can still choose a status.
 * The stream ends at the end of the log, when following at the container's end, or when the signal aborts.
 */
export interface PodLogs {
  open(
    namespace: string,
    pod: string,
    container: string,
    options: ContainerLogOptions,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>
}

/** `notFound`: no such pod or container here (404); `notAvailable`: it has no log yet, or no previous one (400). */
export class PodLogsError extends Error {
  readonly kind: 'notFound' | 'notAvailable'

  constructor(kind: PodLogsError['kind'], message: string) {
    super(message)
    this.name = 'PodLogsError'
    this.kind = kind
  }
}
