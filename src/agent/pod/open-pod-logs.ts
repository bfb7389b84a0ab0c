import type { Pod } from '../../api/types/core-v1.gen.ts'
import { type ContainerLogOptions, type PodLogs, PodLogsError } from '../kubelet/pod-logs.ts'
import type { ContainerState, Runtime } from '../runtime/runtime.ts'
import { podContainers } from './pod-containers.ts'
import type { PodManager } from './pod-manager.ts'

/** The logs of the pods that a manager looks after. */
export function createPodLogs(manager: PodManager, runtime: Runtime): PodLogs {
  return {
    async open(namespace, name, container, options, signal) {
      const worker = manager.find(namespace, name)
      if (worker === undefined) throw new PodLogsError('notFound', `pod "${name}" not found`)
      if (!podContainers(worker.pod).some((c) => c.name === container))
        throw new PodLogsError('notFound', `container "${container}" not found in pod "${name}"`)
      const attempt = chooseAttempt(await worker.attempts(container), options)
      if (attempt === undefined) throw new PodLogsError('notAvailable', missing(container, name, options, worker.pod))
      const { follow, timestamps, tailLines, sinceMs, limitBytes } = options
      return runtime.logs(attempt.id, { follow, timestamps, tailLines, sinceMs, limitBytes }, signal)
    },
  }
}

function chooseAttempt(
  attempts: readonly ContainerState[],
  { previous }: ContainerLogOptions,
): ContainerState | undefined {
  const [latest, before] = attempts
  if (!previous) return latest
  // Between two attempts the one that just ended is the previous one, too.
  return latest?.phase === 'exited' ? (before ?? latest) : before
}

function missing(container: string, pod: string, { previous }: ContainerLogOptions, { status }: Pod): string {
  if (previous) return `previous terminated container "${container}" in pod "${pod}" not found`
  const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  const reason = statuses.find((s) => s.name === container)?.state?.waiting?.reason
  return `container "${container}" in pod "${pod}" is waiting to start: ${reason ?? 'ContainerCreating'}`
}
