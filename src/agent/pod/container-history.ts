import type { ContainerStatus, PodStatus } from '../../api/types/core-v1.gen.ts'
import type { ContainerState, SandboxState } from '../runtime/runtime.ts'
import type { PodContainer } from './pod-containers.ts'

/** The attempts of one container, as far as anybody remembers. */
export interface ContainerHistory {
  readonly latest: ContainerState | undefined
  readonly before: ContainerState | undefined
  /** Attempts before those two, which nobody asks for any more. */
  readonly outdated: readonly ContainerState[]
  /** The runtime has lost it: only the pod's status still tells of it. */
  readonly lost: boolean
  readonly nextAttempt: number
}

/** What the status says of a container that the runtime does not know. */
function fromStatus(status: ContainerStatus, podUid: string): ContainerState | undefined {
  if (status.containerID === undefined || status.containerID === '') return undefined
  const ended = status.state?.terminated
  const startedAt = ended?.startedAt ?? status.state?.running?.startedAt
  const startedAtMs = startedAt === undefined ? 0 : Date.parse(startedAt)
  return {
    id: status.containerID.replace(/^\w+:\/\//, ''),
    podUid,
    name: status.name,
    attempt: status.restartCount,
    phase: 'exited',
    startedAtMs,
    finishedAtMs: ended?.finishedAt === undefined ? startedAtMs : Date.parse(ended.finishedAt),
    exitCode: ended?.exitCode ?? 137,
    reason: ended?.reason ?? 'ContainerStatusUnknown',
    ...(ended !== undefined
      ? { message: ended.message }
      : { message: 'The container could not be located when the pod was terminated' }),
  }
}

export function containerHistory(
  container: PodContainer,
  observed: SandboxState | undefined,
  status: PodStatus | undefined,
  podUid: string,
): ContainerHistory {
  const attempts = (observed?.containers ?? [])
    .filter((state) => state.name === container.name)
    .sort((a, b) => b.attempt - a.attempt)
  const statuses = container.kind === 'main' ? status?.containerStatuses : status?.initContainerStatuses
  const own = statuses?.find((s) => s.name === container.name)
  const [latest, before, ...outdated] = attempts
  if (latest !== undefined) return { latest, before, outdated, lost: false, nextAttempt: latest.attempt + 1 }
  const remembered = own === undefined ? undefined : fromStatus(own, podUid)
  return {
    latest: remembered,
    before: undefined,
    outdated: [],
    lost: remembered !== undefined,
    nextAttempt: remembered === undefined ? 0 : remembered.attempt + 1,
  }
}
