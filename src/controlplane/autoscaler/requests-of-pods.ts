import { podRequests } from '../../api/pod-requests.ts'
import { quantityToMilli } from '../../api/quantity.ts'
import type { Container, Pod } from '../../api/types/core-v1.gen.ts'
import { MetricError } from './metric-error.ts'

/** What the pod as a whole asks for, where it says so itself (KEP-2837). */
function podLevelMilli(pod: Pod, resource: string): number {
  const { cpuMilli, memoryBytes, others } = podRequests(pod)
  const milli = resource === 'cpu' ? cpuMilli : 1000 * (resource === 'memory' ? memoryBytes : (others[resource] ?? 0))
  if (milli === 0) throw new MetricError(`missing pod-level request for ${resource} in Pod ${pod.metadata?.name ?? ''}`)
  return milli
}

function containersOf(pod: Pod): readonly Container[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  return [...(pod.spec?.containers ?? []), ...sidecars]
}

function requestMilli(pod: Pod, container: string | undefined, resource: string): number {
  const podName = pod.metadata?.name ?? ''
  if (container === undefined && Object.keys(pod.spec?.resources?.requests ?? {}).length > 0)
    return podLevelMilli(pod, resource)
  const counted = containersOf(pod).filter(({ name }) => container === undefined || name === container)
  if (container !== undefined && counted.length === 0)
    throw new MetricError(`container ${container} not found in Pod ${podName}`)
  let sum = 0
  for (const { name, resources } of counted) {
    const request = resources?.requests?.[resource]
    if (request === undefined)
      throw new MetricError(`missing request for ${resource} in container ${name} of Pod ${podName}`)
    sum += quantityToMilli(request)
  }
  return sum
}

/**
 * What each pod, or one container of each, requests of a resource, in thousandths, by the pod's name. Throws
 * MetricError when one of them requests nothing: a share of nothing cannot be told.
 */
export function requestsOfPods(
  pods: readonly Pod[],
  container: string | undefined,
  resource: string,
): ReadonlyMap<string, number> {
  return new Map(pods.map((pod) => [pod.metadata?.name ?? '', requestMilli(pod, container, resource)]))
}
