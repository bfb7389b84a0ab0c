import { isPodReady } from '../../api/pod-readiness.ts'
import type { Pod } from '../../api/types/core-v1.gen.ts'
import { MetricError } from './metric-error.ts'
import { replicaCount } from './replica-count.ts'
import { isWithin, type Tolerance } from './tolerance.ts'

/**
 * The replicas for a number that more pods make smaller, as a queue's length: by how far it is off, times the pods that
 * are ready. From nothing, the ratio itself. Throws MetricError.
 */
export function replicasForTotal(
  totalMilli: number,
  targetMilli: number,
  observed: { readonly pods: readonly Pod[]; readonly currentReplicas: number; readonly tolerance: Tolerance },
): number {
  const ratio = totalMilli / targetMilli
  if (observed.currentReplicas === 0) return replicaCount(ratio)
  if (isWithin(observed.tolerance, ratio)) return observed.currentReplicas
  if (observed.pods.length === 0) {
    const why = 'no pods returned by selector while calculating replica count'
    throw new MetricError(`unable to calculate ready pods: ${why}`)
  }
  const ready = observed.pods.filter((pod) => pod.status?.phase === 'Running' && isPodReady(pod)).length
  return replicaCount(ratio * ready)
}

/** The replicas for a number that is shared among the pods, as requests per second. */
export function replicasForShare(
  totalMilli: number,
  targetPerPodMilli: number,
  observed: { readonly statusReplicas: number; readonly tolerance: Tolerance },
): { readonly replicas: number; readonly averageMilli: number } {
  const { statusReplicas, tolerance } = observed
  const within = isWithin(tolerance, totalMilli / (targetPerPodMilli * statusReplicas))
  return {
    replicas: within ? statusReplicas : replicaCount(totalMilli / targetPerPodMilli),
    averageMilli: statusReplicas === 0 ? 0 : Math.ceil(totalMilli / statusReplicas),
  }
}
