import { isConditionTrue } from '../../conditions.ts'
import { isPodTerminal } from '../../pod-readiness.ts'
import type { Container, ContainerState, ContainerStatus, Pod } from '../../types/core-v1.gen.ts'

/** What `kubectl get pods` shows of a pod's containers. */
export interface PodSummary {
  readonly ready: number
  readonly total: number
  /** The STATUS column. */
  readonly reason: string
  readonly restarts: number
  /** When the last of the restarts came about, in milliseconds since the epoch. */
  readonly lastRestartMs: number | undefined
}

interface Restarts {
  count: number
  lastMs: number | undefined
}

function isSidecar(container: Container | undefined): boolean {
  return container?.restartPolicy === 'Always'
}

function countRestarts(into: Restarts, status: ContainerStatus): void {
  into.count += status.restartCount ?? 0
  const finishedAt = status.lastState?.terminated?.finishedAt
  if (finishedAt === undefined) return
  const ms = Date.parse(finishedAt)
  if (into.lastMs === undefined || ms > into.lastMs) into.lastMs = ms
}

function exitText({ terminated }: ContainerState): string {
  if (terminated!.reason) return terminated!.reason
  return terminated!.signal ? `Signal:${terminated!.signal}` : `ExitCode:${terminated!.exitCode ?? 0}`
}

interface InitSummary {
  /** What the first unfinished init container says; undefined when all are done. */
  readonly reason: string | undefined
  readonly ready: number
  readonly all: Restarts
  readonly sidecars: Restarts
}

function initSummary(pod: Pod): InitSummary {
  const specs = new Map((pod.spec?.initContainers ?? []).map((container) => [container.name, container]))
  const all: Restarts = { count: 0, lastMs: undefined }
  const sidecars: Restarts = { count: 0, lastMs: undefined }
  let ready = 0
  for (const [i, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const { terminated, waiting } = status.state ?? {}
    countRestarts(all, status)
    const sidecar = isSidecar(specs.get(status.name))
    if (sidecar) countRestarts(sidecars, status)
    if (terminated !== undefined && (terminated.exitCode ?? 0) === 0) continue
    if (sidecar && status.started === true) {
      if (status.ready) ready += 1
      continue
    }
    if (terminated !== undefined) return { reason: `Init:${exitText(status.state!)}`, ready, all, sidecars }
    if (waiting?.reason && waiting.reason !== 'PodInitializing')
      return { reason: `Init:${waiting.reason}`, ready, all, sidecars }
    return { reason: `Init:${i}/${pod.spec?.initContainers?.length ?? 0}`, ready, all, sidecars }
  }
  return { reason: undefined, ready, all, sidecars }
}

/** The word for the whole pod before its containers are looked at. */
function baseReason(pod: Pod): string {
  const gated = pod.status?.conditions?.some((c) => c.type === 'PodScheduled' && c.reason === 'SchedulingGated')
  return gated ? 'SchedulingGated' : pod.status?.reason || (pod.status?.phase ?? '')
}

function endingReason(pod: Pod, reason: string): string {
  if (pod.metadata?.deletionTimestamp === undefined) return reason
  if (pod.status?.reason === 'NodeLost') return 'Unknown'
  return isPodTerminal(pod) ? reason : 'Terminating'
}

/** Sums a pod up as `kubectl get pods` does. */
export function podSummary(pod: Pod): PodSummary {
  const { spec, status } = pod
  const total = (spec?.containers?.length ?? 0) + (spec?.initContainers ?? []).filter(isSidecar).length
  const init = initSummary(pod)
  let reason = init.reason ?? baseReason(pod)
  let ready = init.ready
  let restarts = init.all
  if (init.reason === undefined || isConditionTrue(status?.conditions, 'Initialized')) {
    restarts = init.sidecars
    let running = false
    // From the last to the first, so that the first container has the word.
    for (const container of [...(status?.containerStatuses ?? [])].reverse()) {
      const { waiting, terminated, running: since } = container.state ?? {}
      countRestarts(restarts, container)
      if (waiting?.reason) reason = waiting.reason
      else if (terminated !== undefined) reason = exitText(container.state!)
      else if (container.ready && since !== undefined) {
        running = true
        ready += 1
      }
    }
    if (reason === 'Completed' && running)
      reason = isConditionTrue(status?.conditions, 'Ready') ? 'Running' : 'NotReady'
  }
  return {
    ready,
    total,
    reason: endingReason(pod, reason),
    restarts: restarts.count,
    lastRestartMs: restarts.lastMs,
  }
}
