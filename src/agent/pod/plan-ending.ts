import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Millis } from '../../base/clock.ts'
import type { SandboxState } from '../runtime/runtime.ts'
import type { PlannedContainer } from './planned-container.ts'
import type { PodAction } from './pod-action.ts'
import type { PodMemory } from './pod-memory.ts'
import type { ContainerView, Ending } from './status-input.ts'

/** What a container gets at least between the stop signal and the kill, however little of the grace is left. */
const LEAST_GRACE_MS = 2_000
/** The same for a pod that was deleted without grace. */
const FORCED_GRACE_MS = 1_000
const DRAIN_MS_MAX = 10_000

/** Whether the pod has to end, and why; undefined while it is meant to run. */
export function endingOf(
  pod: Pod,
  memory: PodMemory,
  finished: boolean,
  now: Millis,
  rechecks: Millis[],
): Ending | undefined {
  const sinceMs = memory.endingSinceMs ?? now
  const ownGraceMs = (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000
  if (memory.gone) return { kind: 'gone', sinceMs, graceMs: FORCED_GRACE_MS }
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata ?? {}
  if (deletionTimestamp !== undefined) {
    const graceMs = Math.max(FORCED_GRACE_MS, (deletionGracePeriodSeconds ?? ownGraceMs / 1000) * 1000)
    // The timestamp is the end of grace in whole seconds: an agent that was away does not begin the grace anew.
    const asked = Date.parse(deletionTimestamp) + 1_000 - graceMs
    return { kind: 'deleted', sinceMs: Math.min(sinceMs, asked), graceMs }
  }
  const phase = pod.status?.phase
  if (finished || phase === 'Succeeded' || phase === 'Failed') return { kind: 'finished', sinceMs, graceMs: ownGraceMs }
  if (memory.evicted !== undefined) return { kind: 'evicted', sinceMs, graceMs: FORCED_GRACE_MS }
  const { activeDeadlineSeconds } = pod.spec ?? {}
  if (activeDeadlineSeconds !== undefined && pod.status?.startTime !== undefined) {
    const deadline = Date.parse(pod.status.startTime) + activeDeadlineSeconds * 1000
    if (deadline <= now) return { kind: 'deadline', sinceMs, graceMs: ownGraceMs }
    rechecks.push(deadline)
  }
  return undefined
}

/** Main and init containers at once, then the sidecars in reverse order, each once all that started after it are gone. */
export function planEnding(
  ending: Ending,
  observed: SandboxState | undefined,
  memory: PodMemory,
  containers: readonly PlannedContainer[],
  now: Millis,
  rechecks: Millis[],
): { readonly actions: readonly PodAction[]; readonly views: ReadonlyMap<string, ContainerView> } {
  const views = new Map<string, ContainerView>()
  const alive = containers.filter(
    ({ container, history }) =>
      history.latest?.phase === 'running' || memory.busy.get(container.name)?.kind === 'start',
  )
  if (alive.length === 0) return { actions: planEnd(ending, memory, now, rechecks), views }

  const drainUntil = ending.sinceMs + Math.min(DRAIN_MS_MAX, ending.graceMs / 2)
  if (ending.kind === 'deleted' && !memory.drained && observed !== undefined && drainUntil > now) {
    rechecks.push(drainUntil)
    return { actions: memory.busy.has('#drain') ? [] : [{ kind: 'drain', limitMs: drainUntil - now }], views }
  }

  const actions: PodAction[] = []
  const least = ending.graceMs <= FORCED_GRACE_MS ? FORCED_GRACE_MS : LEAST_GRACE_MS
  const graceMs = Math.max(ending.sinceMs + ending.graceMs - now, least)
  const mains = alive.filter(({ container }) => container.kind !== 'sidecar')
  for (const { container, history } of mains.length > 0 ? mains : alive.slice(-1)) {
    // One that is just being created is stopped as soon as it runs.
    if (history.latest?.phase !== 'running') continue
    const busy = memory.busy.get(container.name)
    // Asked again only when the end comes clearly earlier than it was last promised.
    if (busy?.kind === 'stop' && busy.deadlineMs <= now + graceMs + 500) continue
    const why = `Stopping container ${container.name}`
    actions.push({ kind: 'stopContainer', container, id: history.latest.id, graceMs, why })
  }
  return { actions, views }
}

/** What is left to do once nothing runs. */
function planEnd(ending: Ending, memory: PodMemory, now: Millis, rechecks: Millis[]): readonly PodAction[] {
  if ([...memory.busy.keys()].some((key) => key !== '#drain')) return []
  if (ending.kind !== 'deleted' && ending.kind !== 'gone') return memory.ip === undefined ? [] : [{ kind: 'release' }]
  const failure = memory.failures.get('#finish')
  if (failure !== undefined && failure.retryAtMs > now) {
    rechecks.push(failure.retryAtMs)
    return []
  }
  return [{ kind: 'finish', deleteObject: ending.kind === 'deleted' }]
}
