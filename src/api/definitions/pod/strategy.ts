import type { Draft } from '../../object.ts'
import { isPodTerminal } from '../../pod-readiness.ts'
import { podQosClass } from '../../pod-requests.ts'
import type { Pod } from '../../types/core-v1.gen.ts'
import type { ObjectMeta } from '../../types/meta-v1.gen.ts'
import { firstGeneration, nextGeneration } from '../generation.ts'
import { semanticEqual } from '../semantic-equal.ts'
import { addDefaultTolerations } from './default-tolerations.ts'
import { setPodPriority } from './pod-priority.ts'

const MIRROR = 'kubernetes.io/config.mirror'

export function preparePodForCreate(draft: Draft<Pod>): void {
  const spec = draft.spec!
  // What a node runs from its own files has no identity in the cluster.
  const isMirror = draft.metadata?.annotations?.[MIRROR] !== undefined
  if (!spec.serviceAccountName && !isMirror) {
    spec.serviceAccountName = 'default'
    spec.serviceAccount = 'default'
  }
  addDefaultTolerations(spec)
  setPodPriority(spec)
  firstGeneration(draft)
  draft.status = { phase: 'Pending', qosClass: podQosClass(spec) }
  if (spec.schedulingGates?.length) {
    const message = 'Scheduling is blocked due to non-empty scheduling gates'
    draft.status.conditions = [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message }]
  }
}

export function preparePodForUpdate(draft: Draft<Pod>, previous: Pod): void {
  draft.status = previous.status as Draft<Pod>['status']
  const spec = draft.spec!
  addDefaultTolerations(spec)
  // Filled in when the pod was made; who replaces it from a manifest need not know them.
  if (previous.spec?.priority !== undefined) spec.priority ??= previous.spec.priority
  if (previous.spec?.preemptionPolicy !== undefined) spec.preemptionPolicy ??= previous.spec.preemptionPolicy
  nextGeneration(draft, previous, !semanticEqual(spec, previous.spec))
}

export function preparePodStatusForUpdate(draft: Draft<Pod>, previous: Pod): void {
  draft.spec = previous.spec as Draft<Pod>['spec']
  draft.metadata ??= {}
  draft.metadata.ownerReferences = previous.metadata?.ownerReferences as Draft<ObjectMeta>['ownerReferences']
  draft.status ??= {}
  if (!draft.status.qosClass) draft.status.qosClass = previous.status?.qosClass
}

/** Nobody waits for a pod that runs nowhere or has ended. */
export function podGracePeriodSeconds(pod: Pod): number {
  if (!pod.spec?.nodeName || isPodTerminal(pod)) return 0
  const seconds = pod.spec.terminationGracePeriodSeconds ?? 30
  return seconds < 0 ? 1 : seconds
}
