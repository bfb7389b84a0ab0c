import type { ContainerSession, ExecOptions } from '../runtime/runtime.ts'

/** A container that runs, found by name. */
export interface RunningContainer {
  /** Runs a command beside it. Rejects when the command cannot be started. */
  exec(command: readonly string[], options: ExecOptions): Promise<ContainerSession>
  /** Joins its own input and output, from now on. */
  attach(options: ExecOptions): Promise<ContainerSession>
}

/**
 * How the node API reaches into the pods on this node; the agent's pod manager gives it. Both reject with
 * `PodStreamsError` when there is nothing to reach, so that the caller can still choose a status.
 */
export interface PodStreams {
  container(namespace: string, pod: string, container: string): Promise<RunningContainer>
  /** The address that connections to a port of the pod go to: its own and nobody else's. */
  address(namespace: string, pod: string): Promise<string>
}

/** `notFound`: no such pod or container here (404); `notAvailable`: it does not run (400). */
export class PodStreamsError extends Error {
  readonly kind: 'notFound' | 'notAvailable'

  constructor(kind: PodStreamsError['kind'], message: string) {
    super(message)
    this.name = 'PodStreamsError'
    this.kind = kind
  }
}
