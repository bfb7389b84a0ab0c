import { podQosClass } from '../../api/pod-requests.ts'
import type { ContainerStatus, PodSpec, PodStatus } from '../../api/types/core-v1.gen.ts'
import { containerStatus } from './container-status.ts'
import type { PlannedContainer } from './planned-container.ts'
import { podConditions } from './pod-conditions.ts'
import type { PodMemory } from './pod-memory.ts'
import { podPhase } from './pod-phase.ts'
import { type Ending, isoSeconds, type StatusInput } from './status-input.ts'

export const DEADLINE_MESSAGE = 'Pod was active on the node longer than the specified deadline'
const FORCED_REASONS = ['DeadlineExceeded', 'Evicted']

/** What a pod that the agent ends against its will says of that; once said, it stays. */
function forcedEnd(
  ending: Ending | undefined,
  { evicted }: PodMemory,
  previous: PodStatus | undefined,
): { readonly reason: string; readonly message: string } | undefined {
  if (ending?.kind === 'deadline') return { reason: 'DeadlineExceeded', message: DEADLINE_MESSAGE }
  if (ending?.kind === 'evicted') return { reason: 'Evicted', message: evicted ?? '' }
  const { reason = '', message = '' } = previous ?? {}
  return FORCED_REASONS.includes(reason) ? { reason, message } : undefined
}

/** The pod's whole status as the kubelet would report it. What others own in it (other conditions) is left alone. */
export function podStatus(input: StatusInput): PodStatus {
  const { pod, memory, containers, ending, now } = input
  const previous = pod.status
  const spec = pod.spec as PodSpec
  // Ended for good: nothing is left to run, and nothing will be started.
  const isOver = ending !== undefined && input.nothingRuns && memory.busy.size === 0
  const statusOf = (planned: PlannedContainer): ContainerStatus => containerStatus(planned, input)
  const initContainerStatuses = containers.filter(({ container }) => container.kind !== 'main').map(statusOf)
  const containerStatuses = containers.filter(({ container }) => container.kind === 'main').map(statusOf)

  const computed = podPhase(pod, initContainerStatuses, containerStatuses, input.initialized, isOver)
  const wasOver = previous?.phase === 'Succeeded' || previous?.phase === 'Failed'
  const why = forcedEnd(ending, memory, previous)
  // A pod is over only when its last container is: until then it counts as running.
  const isEarly = (computed === 'Succeeded' || computed === 'Failed') && !isOver
  const phase = wasOver
    ? previous.phase!
    : why !== undefined && isOver
      ? 'Failed'
      : isEarly
        ? input.initialized
          ? 'Running'
          : 'Pending'
        : computed
  const ip = spec.hostNetwork === true ? memory.hostIp : (memory.ip ?? previous?.podIP)
  const showsIp = ip !== undefined && (input.hasSandbox || previous?.podIP !== undefined)

  const status: PodStatus = {
    phase,
    conditions: podConditions(input, phase, initContainerStatuses, containerStatuses),
    hostIP: memory.hostIp,
    hostIPs: [{ ip: memory.hostIp }],
    ...(showsIp ? { podIP: ip, podIPs: [{ ip }] } : {}),
    startTime: previous?.startTime ?? isoSeconds(now),
    qosClass: previous?.qosClass ?? podQosClass(spec),
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    ...(initContainerStatuses.length === 0 ? {} : { initContainerStatuses }),
    containerStatuses,
  }
  if (why !== undefined) return { ...status, ...why }
  return wasOver && previous.reason !== undefined
    ? { ...status, reason: previous.reason, message: previous.message }
    : status
}
