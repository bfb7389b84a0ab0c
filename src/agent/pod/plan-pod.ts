import type { Pod, PodStatus } from '../../api/types/core-v1.gen.ts'
import type { Millis } from '../../base/clock.ts'
import type { SandboxState } from '../runtime/runtime.ts'
import { containerHistory } from './container-history.ts'
import { crashDelay, goDuration, nextCrashDelay } from './crash-backoff.ts'
import { endingOf, planEnding } from './plan-ending.ts'
import { isStarted, type PlannedContainer } from './planned-container.ts'
import type { PodAction, PodNotice } from './pod-action.ts'
import { podContainers, podFullName } from './pod-containers.ts'
import type { PodMemory } from './pod-memory.ts'
import { DEADLINE_MESSAGE, podStatus } from './pod-status.ts'
import { shouldRestart } from './restart-rule.ts'
import type { ContainerView, Ending } from './status-input.ts'

/** The exit code of a container that was killed. */
const KILLED = 137

export interface PodPlan {
  readonly actions: readonly PodAction[]
  readonly notices: readonly PodNotice[]
  readonly status: PodStatus
  /** The pod is on its way out, for this reason; undefined while it is meant to run. */
  readonly ending: Ending | undefined
  /** When to plan again although nothing happened. */
  readonly recheckAtMs: Millis | undefined
}

/**
 * What to do next for a pod, and how it is, from its object, what the runtime runs, what the agent remembers and the
 * time. Pure and total. Planning again after the actions were taken gives none; whatever is under way stands in
 * `memory.busy` and is not begun twice.
 */
export function planPod(pod: Pod, observed: SandboxState | undefined, memory: PodMemory, now: Millis): PodPlan {
  const containers = podContainers(pod).map((container) => ({
    container,
    history: containerHistory(container, observed, pod.status, pod.metadata?.uid ?? ''),
  }))
  const rechecks: Millis[] = []
  const running = planRunning(pod, observed, memory, containers, now, rechecks)
  const ending = endingOf(pod, memory, running.finished, now, rechecks)
  const chosen = ending === undefined ? running : planEnding(ending, observed, memory, containers, now, rechecks)
  const status = podStatus({
    pod,
    memory,
    containers,
    views: chosen.views,
    hasSandbox: observed !== undefined,
    ending,
    nothingRuns: !containers.some(({ history }) => history.latest?.phase === 'running'),
    initialized: running.initialized,
    now,
  })
  const future = rechecks.filter((at) => at > now)
  return {
    actions: chosen.actions,
    notices: ending === undefined ? running.notices : endingNotices(ending),
    status,
    ending,
    recheckAtMs: future.length === 0 ? undefined : Math.min(...future),
  }
}

function endingNotices({ kind }: Ending): readonly PodNotice[] {
  const reason = 'DeadlineExceeded'
  return kind === 'deadline'
    ? [{ key: reason, container: undefined, type: 'Normal', reason, message: DEADLINE_MESSAGE }]
    : []
}

interface RunningPlan {
  readonly actions: readonly PodAction[]
  readonly notices: readonly PodNotice[]
  readonly views: ReadonlyMap<string, ContainerView>
  readonly initialized: boolean
  /** All that had to run has run, and nothing is started again. */
  readonly finished: boolean
}

function planRunning(
  pod: Pod,
  observed: SandboxState | undefined,
  memory: PodMemory,
  containers: readonly PlannedContainer[],
  now: Millis,
  rechecks: Millis[],
): RunningPlan {
  const actions: PodAction[] = []
  const notices: PodNotice[] = []
  const views = new Map<string, ContainerView>()
  const policy = pod.spec?.restartPolicy
  const mains = containers.filter(({ container }) => container.kind === 'main')

  if (observed === undefined) step('#sandbox', { kind: 'createSandbox' })
  else if (!memory.volumesReady) step('#volumes', { kind: 'prepareVolumes' })
  const mayStart = observed !== undefined && memory.volumesReady

  // Init containers run once for a sandbox: when a main container has run in it, they are over.
  let initialized = mains.some(({ history }) => history.latest !== undefined && !history.lost)
  // Looked for apart from the order of things: sidecars that end because of it must not seem to come before it.
  const hasFailedInit = containers.some(
    (planned) => planned.container.kind === 'init' && hasEnded(planned) && planned.history.latest?.exitCode !== 0,
  )
  if (!initialized) {
    initialized = true
    for (const planned of containers) {
      if (planned.container.kind === 'main') continue
      if (!planInit(planned)) {
        initialized = false
        break
      }
    }
  } else {
    for (const planned of containers) if (planned.container.kind === 'sidecar') keepRunning(planned)
  }
  if (initialized) for (const planned of mains) keepRunning(planned)
  for (const { history } of containers)
    for (const { id } of history.outdated) actions.push({ kind: 'removeContainer', id })

  const finished = hasFailedInit || (initialized && mains.every((planned) => isOver(planned)))
  return { actions, notices, views, initialized, finished }

  function isOver({ container, history }: PlannedContainer): boolean {
    const { latest } = history
    return latest?.phase === 'exited' && !shouldRestart(container, policy, latest.exitCode ?? 255)
  }

  /** Over for this sandbox: an init container of a lost one runs again, whatever became of it there. */
  function hasEnded(planned: PlannedContainer): boolean {
    return isOver(planned) && !(planned.container.kind === 'init' && planned.history.lost)
  }

  function step(name: '#sandbox' | '#volumes', action: PodAction): void {
    if (memory.busy.has(name)) return
    const failure = memory.failures.get(name)
    if (failure !== undefined && failure.retryAtMs > now) rechecks.push(failure.retryAtMs)
    else actions.push(action)
  }

  /** True when the next container may go ahead. */
  function planInit(planned: PlannedContainer): boolean {
    const { container, history } = planned
    if (container.kind === 'init' && hasEnded(planned)) return history.latest?.exitCode === 0
    keepRunning(planned)
    return container.kind === 'sidecar' && isStarted(planned, memory)
  }

  function keepRunning(planned: PlannedContainer): void {
    const { container, history } = planned
    const { latest } = history
    if (latest?.phase === 'running') {
      endUnhealthy(planned)
      endChanged(planned)
      return
    }
    if (hasEnded(planned)) return
    const failure = memory.failures.get(container.name)
    if (failure !== undefined) views.set(container.name, { reason: failure.reason, message: failure.message })
    if (memory.busy.has(container.name)) return
    if (failure !== undefined && failure.retryAtMs > now) {
      rechecks.push(failure.retryAtMs)
      return
    }

    let crashDelayMs: Millis | undefined
    if (latest !== undefined) {
      const finishedAt = latest.finishedAtMs ?? now
      const delay = crashDelay(memory.crashDelays.get(container.name), finishedAt - latest.startedAtMs)
      if (finishedAt + delay > now) {
        rechecks.push(finishedAt + delay)
        const what = `restarting failed container=${container.name} pod=${podFullName(pod)}`
        views.set(container.name, { reason: 'CrashLoopBackOff', message: `back-off ${goDuration(delay)} ${what}` })
        notices.push({
          key: `BackOff/${container.name}/${latest.attempt}`,
          container,
          type: 'Warning',
          reason: 'BackOff',
          message: `Back-off restarting failed container ${container.name} in pod ${podFullName(pod)}`,
        })
        return
      }
      crashDelayMs = nextCrashDelay(delay)
    }
    if (mayStart) actions.push({ kind: 'startContainer', container, attempt: history.nextAttempt, crashDelayMs })
  }

  function endUnhealthy({ container, history }: PlannedContainer): void {
    const probe = memory.probes.get(container.name)
    const latest = history.latest!
    if (probe?.failed === undefined || probe.attempt !== latest.attempt || memory.busy.has(container.name)) return
    const graceMs = probe.failed.graceMs ?? (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000
    const again = shouldRestart(container, policy, KILLED) ? ', will be restarted' : ''
    const why = `Container ${container.name} failed ${probe.failed.probe} probe${again}`
    actions.push({ kind: 'stopContainer', container, id: latest.id, graceMs, why })
  }

  /** A new image means a new attempt. One that is never started again is left to end by itself. */
  function endChanged({ container, history }: PlannedContainer): void {
    const { id, image } = history.latest!
    const isSame = image === undefined || image === (container.spec.image ?? '')
    const isStopping = actions.some((action) => action.kind === 'stopContainer' && action.container === container)
    if (isSame || isStopping || memory.busy.has(container.name) || !shouldRestart(container, policy, KILLED)) return
    const graceMs = (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000
    const why = `Container ${container.name} definition changed, will be restarted`
    actions.push({ kind: 'stopContainer', container, id, graceMs, why })
  }
}
