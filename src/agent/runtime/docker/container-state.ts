import type { ContainerState } from '../runtime.ts'
import type { Labelled } from './docker-labels.ts'

/** What of `GET /containers/<id>/json` is read. */
export interface InspectedContainer {
  readonly Id: string
  /** With a slash before it. */
  readonly Name: string
  readonly Created: string
  readonly Image: string
  readonly Config: {
    readonly Labels: Readonly<Record<string, string>> | null
    readonly StopSignal?: string
    readonly Tty: boolean
    readonly OpenStdin: boolean
    readonly StdinOnce: boolean
  }
  readonly State: {
    readonly Status: string
    readonly Running: boolean
    readonly OOMKilled: boolean
    readonly Pid: number
    readonly ExitCode: number
    readonly Error: string
    readonly StartedAt: string
    readonly FinishedAt: string
  }
}

/** Go's zero time says that something has not happened. */
function timeOf(text: string): number | undefined {
  return text.startsWith('0001-') ? undefined : Date.parse(text)
}

/** True for what was created but never started: an agent that died in between left it. */
export function isUnstarted({ State }: InspectedContainer): boolean {
  return State.Status === 'created' && State.ExitCode === 0 && State.Error === ''
}

/** The state of one of our containers, without its termination message. */
export function containerState(
  inspected: InspectedContainer,
  podUid: string,
  { name, attempt, image }: NonNullable<Labelled['container']>,
): ContainerState {
  const { Id: id, State, Created, Image: imageId } = inspected
  const createdAtMs = Date.parse(Created)
  const startedAtMs = timeOf(State.StartedAt)
  const base = { id, podUid, name, attempt, image, imageId, startedAtMs: startedAtMs ?? createdAtMs }
  // A paused one runs: that is the business of who paused it.
  if (State.Running || State.Status === 'paused' || State.Status === 'restarting') return { ...base, phase: 'running' }
  if (startedAtMs === undefined)
    return {
      ...base,
      phase: 'exited',
      finishedAtMs: createdAtMs,
      exitCode: State.ExitCode === 0 ? 128 : State.ExitCode,
      reason: 'StartError',
      message: State.Error,
    }
  const { ExitCode: exitCode, OOMKilled, Error: error } = State
  return {
    ...base,
    phase: 'exited',
    finishedAtMs: Math.max(timeOf(State.FinishedAt) ?? startedAtMs, startedAtMs),
    exitCode,
    reason: OOMKilled ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error',
    ...(error === '' ? {} : { message: error }),
  }
}
