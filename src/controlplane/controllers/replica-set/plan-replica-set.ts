import { setCondition } from '../../../api/conditions.ts'
import {
  isPodActive,
  isPodAvailable,
  isPodReady,
  isPodTerminal,
  podReadyCondition,
} from '../../../api/pod-readiness.ts'
import type { ReplicaSet, ReplicaSetStatus } from '../../../api/types/apps-v1.gen.ts'
import type { Pod } from '../../../api/types/core-v1.gen.ts'
import type { Millis } from '../../../base/clock.ts'
import { isoSeconds } from '../timestamp.ts'
import { inDeletionOrder } from './deletion-order.ts'

export type ReplicaSetAction =
  | { readonly kind: 'createPods'; readonly count: number; readonly why: string }
  | { readonly kind: 'deletePods'; readonly pods: readonly Pod[]; readonly why: string }

export interface ReplicaSetObservation {
  /** Pods that this ReplicaSet manages. */
  readonly pods: readonly Pod[]
  /** Active pods of all ReplicaSets of the same owner, this one's included; what spreading is judged by. */
  readonly related: readonly Pod[]
  /** Creations or deletions of ours are on their way and not yet among `pods`. */
  readonly writesInFlight: boolean
  /** What the last attempt to create or delete ended with. */
  readonly failure?: { readonly reason: 'FailedCreate' | 'FailedDelete'; readonly message: string } | undefined
}

export interface ReplicaSetPlan {
  readonly actions: readonly ReplicaSetAction[]
  readonly status: ReplicaSetStatus
  readonly recheckAt?: Millis
}

/** At most this many pods are created or deleted in one go. */
const BURST = 500

function planCount(replicaSet: ReplicaSet, observed: ReplicaSetObservation, now: Millis): readonly ReplicaSetAction[] {
  if (observed.writesInFlight || replicaSet.metadata?.deletionTimestamp !== undefined) return []
  const active = observed.pods.filter(isPodActive)
  const wanted = replicaSet.spec?.replicas ?? 1
  if (active.length < wanted) {
    const why = `${active.length} of ${wanted} replicas exist`
    return [{ kind: 'createPods', count: Math.min(BURST, wanted - active.length), why }]
  }
  if (active.length === wanted) return []
  const surplus = Math.min(BURST, active.length - wanted)
  const pods = inDeletionOrder(active, observed.related, now).slice(0, surplus)
  return [{ kind: 'deletePods', pods, why: `${active.length} replicas exist, ${wanted} are wanted` }]
}

function planConditions(
  replicaSet: ReplicaSet,
  failure: ReplicaSetObservation['failure'],
  now: Millis,
): ReplicaSetStatus['conditions'] {
  const others = (replicaSet.status?.conditions ?? []).filter(({ type }) => type !== 'ReplicaFailure')
  if (failure === undefined) return others.length === 0 ? undefined : others
  // The first refusal stands until a try succeeds: a status that changed with each name tried would never come to rest.
  if (others.length < (replicaSet.status?.conditions ?? []).length) return replicaSet.status?.conditions
  const condition = { type: 'ReplicaFailure', status: 'True', ...failure }
  return setCondition(replicaSet.status?.conditions, condition, isoSeconds(now))
}

/** The first moment at which a ready pod will have been ready for long enough. */
function nextAvailability(pods: readonly Pod[], minReadySeconds: number, now: Millis): Millis | undefined {
  if (minReadySeconds === 0) return undefined
  const moments = pods
    .filter((pod) => isPodReady(pod) && !isPodAvailable(pod, minReadySeconds, now))
    .map((pod) => Date.parse(podReadyCondition(pod)?.lastTransitionTime ?? isoSeconds(now)) + minReadySeconds * 1000)
  return moments.length === 0 ? undefined : Math.min(...moments)
}

/**
 * How many pods a ReplicaSet creates or which it deletes, and its status. While its own writes are in flight it decides
 * nothing, and does not claim to have acted on its newest generation either.
 */
export function planReplicaSet(replicaSet: ReplicaSet, observed: ReplicaSetObservation, now: Millis): ReplicaSetPlan {
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0
  const active = observed.pods.filter(isPodActive)
  const terminating = observed.pods.filter((pod) => !isPodTerminal(pod) && !isPodActive(pod))
  const wantedLabels = Object.entries(replicaSet.spec?.template?.metadata?.labels ?? {})
  const fullyLabeled = active.filter((pod) =>
    wantedLabels.every(([key, value]) => pod.metadata?.labels?.[key] === value),
  )
  const conditions = planConditions(replicaSet, observed.failure, now)
  const recheckAt = nextAvailability(active, minReadySeconds, now)
  const generation = observed.writesInFlight
    ? replicaSet.status?.observedGeneration
    : (replicaSet.metadata?.generation ?? 0)
  return {
    actions: planCount(replicaSet, observed, now),
    status: {
      replicas: active.length,
      fullyLabeledReplicas: fullyLabeled.length,
      readyReplicas: active.filter(isPodReady).length,
      availableReplicas: active.filter((pod) => isPodAvailable(pod, minReadySeconds, now)).length,
      terminatingReplicas: terminating.length,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
      ...(conditions === undefined ? {} : { conditions }),
    },
    ...(recheckAt === undefined ? {} : { recheckAt }),
  }
}
