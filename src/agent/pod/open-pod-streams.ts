import { type PodStreams, PodStreamsError } from '../kubelet/pod-streams.ts'
import type { ProbeTargets } from '../probes/probe-target.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { podContainers } from './pod-containers.ts'
import type { PodManager } from './pod-manager.ts'
import type { PodWorker } from './pod-worker.ts'

/** What clients may reach of the pods that a manager looks after. */
export function createPodStreams(manager: PodManager, runtime: Runtime, targets: ProbeTargets): PodStreams {
  const workerOf = (namespace: string, name: string): PodWorker => {
    const worker = manager.find(namespace, name)
    if (worker === undefined) throw new PodStreamsError('notFound', `pod "${name}" not found`)
    return worker
  }
  return {
    async container(namespace, name, container) {
      const worker = workerOf(namespace, name)
      if (!podContainers(worker.pod).some((c) => c.name === container))
        throw new PodStreamsError('notFound', `container "${container}" not found in pod "${name}"`)
      const [latest] = await worker.attempts(container)
      if (latest?.phase !== 'running')
        throw new PodStreamsError('notAvailable', `container "${container}" of pod "${name}" is not running`)
      return {
        exec: (command, options) => runtime.openExec(latest.id, command, options),
        attach: (options) => runtime.attach(latest.id, options),
      }
    },
    async address(namespace, name) {
      const { pod } = workerOf(namespace, name)
      const sandbox = await runtime.get(pod.metadata?.uid ?? '')
      if (sandbox === undefined || sandbox.containers.every(({ phase }) => phase !== 'running'))
        throw new PodStreamsError('notAvailable', `pod "${name}" is not running`)
      // From the runtime's own memory, never from what somebody wrote into the pod's status.
      return targets.clusterAddress(sandbox.ip)
    },
  }
}
