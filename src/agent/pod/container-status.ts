import type {
  ContainerStateTerminated,
  ContainerStatus,
  ContainerState as KubeContainerState,
} from '../../api/types/core-v1.gen.ts'
import type { ContainerState } from '../runtime/runtime.ts'
import { isStarted, type PlannedContainer } from './planned-container.ts'
import { isoSeconds, type StatusInput } from './status-input.ts'

export function containerIdText(state: ContainerState, scheme: string): string {
  return `${scheme}://${state.id}`
}

function terminated(state: ContainerState, scheme: string): ContainerStateTerminated {
  return {
    exitCode: state.exitCode ?? 255,
    ...(state.signal === undefined ? {} : { signal: state.signal }),
    reason: state.reason ?? 'Error',
    ...(state.message === undefined ? {} : { message: state.message }),
    startedAt: isoSeconds(state.startedAtMs),
    finishedAt: isoSeconds(state.finishedAtMs ?? state.startedAtMs),
    containerID: containerIdText(state, scheme),
  }
}

/** One container's entry in the status. */
export function containerStatus(planned: PlannedContainer, input: StatusInput): ContainerStatus {
  const { container, history } = planned
  const { latest, before } = history
  const { memory, pod } = input
  const statuses = container.kind === 'main' ? pod.status?.containerStatuses : pod.status?.initContainerStatuses
  const previous = statuses?.find((status) => status.name === container.name)
  const view = input.views.get(container.name)
  const isStarting = memory.busy.get(container.name)?.kind === 'start'

  let state: KubeContainerState
  let lastState: KubeContainerState = {}
  if (latest?.phase === 'running' && !isStarting) state = { running: { startedAt: isoSeconds(latest.startedAtMs) } }
  else if (latest?.phase === 'exited' && view === undefined && !isStarting)
    state = { terminated: terminated(latest, memory.runtimeName) }
  else state = { waiting: waitingFor() }

  if (state.waiting !== undefined && latest?.phase === 'exited')
    lastState = { terminated: terminated(latest, memory.runtimeName) }
  else if (before?.phase === 'exited') lastState = { terminated: terminated(before, memory.runtimeName) }
  else if (previous?.lastState?.terminated !== undefined) lastState = previous.lastState

  const started = isStarted(planned, memory)
  return {
    name: container.name,
    state,
    lastState,
    ready: isReady(),
    restartCount: latest?.attempt ?? previous?.restartCount ?? 0,
    image: container.spec.image ?? '',
    imageID: latest?.imageId ?? previous?.imageID ?? '',
    ...(latest === undefined ? {} : { containerID: containerIdText(latest, memory.runtimeName) }),
    started: container.kind === 'init' ? state.running !== undefined : started,
  }

  function isReady(): boolean {
    if (container.kind === 'init') return latest?.phase === 'exited' && latest.exitCode === 0 && view === undefined
    if (!isStarted(planned, memory)) return false
    if (container.spec.readinessProbe === undefined) return true
    const probe = memory.probes.get(container.name)
    return probe?.attempt === latest?.attempt && probe?.ready === true
  }

  function waitingFor(): { readonly reason: string; readonly message?: string } {
    if (view !== undefined) return view
    const hasInit = (pod.spec?.initContainers ?? []).length > 0
    return {
      reason: hasInit && !(container.kind === 'main' && input.initialized) ? 'PodInitializing' : 'ContainerCreating',
    }
  }
}
