import { isConditionTrue } from '../../../api/conditions.ts'
import { labelMatcherOf } from '../../../api/label-selector.ts'
import { objectKey, splitKey } from '../../../api/object.ts'
import { isPodActive } from '../../../api/pod-readiness.ts'
import { PODS, REPLICA_SETS } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import type { ReplicaSet } from '../../../api/types/apps-v1.gen.ts'
import type { Pod } from '../../../api/types/core-v1.gen.ts'
import { Expectations } from '../../../client/expectations.ts'
import type { Change } from '../../../client/informer.ts'
import type { ReconcileResult } from '../../../client/run-workers.ts'
import { applyClaims, planClaims } from '../claim.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { createRoomFollower } from '../follow-room.ts'
import { isNamespaceTerminating } from '../namespace-terminating.ts'
import { OwnWrites } from '../own-writes.ts'
import { BY_CONTROLLER, controllerOf, ORPHANS, OWNER_INDEXES, typed } from '../owner-references.ts'
import { sameValue } from '../same-value.ts'
import { slowStart } from '../slow-start.ts'
import { planReplicaSet, type ReplicaSetAction } from './plan-replica-set.ts'
import { podFromTemplate } from './pod-from-template.ts'

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Longer than a write is waited for: then what is seen counts again. */
const WRITES_EXPIRED_MS = 5 * 60_000 + 1_000

/** Keeps as many pods as each ReplicaSet asks for. */
export function startReplicaSetController(context: ControllerContext): RunningController {
  const { client, clock } = context
  const events = context.events('replicaset-controller')
  const replicaSets = context.informers.for(REPLICA_SETS, { indexes: OWNER_INDEXES })
  const pods = context.informers.for(PODS, { indexes: OWNER_INDEXES })
  const room = createRoomFollower(context.informers)
  const written = new OwnWrites(replicaSets)
  const expectations = new Expectations(clock)
  type Failure = { readonly reason: 'FailedCreate' | 'FailedDelete'; readonly message: string }

  const createPods = async (replicaSet: ReplicaSet, key: string, count: number): Promise<Failure | undefined> => {
    const pod = podFromTemplate(replicaSet)
    expectations.expect(key, count, [])
    const { started, errors } = await slowStart(count, async () => {
      try {
        const created = await client.create(PODS, pod)
        events.event(
          typed(REPLICA_SETS, replicaSet),
          'Normal',
          'SuccessfulCreate',
          `Created pod: ${created.metadata?.name}`,
        )
      } catch (error) {
        expectations.creationObserved(key)
        throw error
      }
    })
    for (let i = started; i < count; i++) expectations.creationObserved(key)
    const real = errors.filter((error) => !isNamespaceTerminating(error))
    for (const error of real) {
      events.event(typed(REPLICA_SETS, replicaSet), 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`)
    }
    return real.length === 0 ? undefined : { reason: 'FailedCreate', message: messageOf(real[0]) }
  }

  const deletePods = async (
    replicaSet: ReplicaSet,
    key: string,
    doomed: readonly Pod[],
  ): Promise<Failure | undefined> => {
    expectations.expect(key, 0, doomed.map(objectKey))
    const results = await Promise.allSettled(
      doomed.map(async (pod) => {
        const { namespace, name = '', uid } = pod.metadata ?? {}
        try {
          await client.delete(PODS, { namespace, name }, { preconditions: uid === undefined ? {} : { uid } })
          events.event(typed(REPLICA_SETS, replicaSet), 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`)
        } catch (error) {
          expectations.deletionObserved(key, objectKey(pod))
          // Gone, or another pod by now under that name: either way there is one fewer.
          if (isReason(error, 'NotFound') || isReason(error, 'Conflict')) return
          events.event(
            typed(REPLICA_SETS, replicaSet),
            'Warning',
            'FailedDelete',
            `Error deleting: ${messageOf(error)}`,
          )
          throw error
        }
      }),
    )
    const failed = results.find((result) => result.status === 'rejected')
    return failed === undefined ? undefined : { reason: 'FailedDelete', message: messageOf(failed.reason) }
  }

  const apply = (replicaSet: ReplicaSet, key: string, action: ReplicaSetAction): Promise<Failure | undefined> =>
    action.kind === 'createPods' ? createPods(replicaSet, key, action.count) : deletePods(replicaSet, key, action.pods)

  const relatedPods = (replicaSet: ReplicaSet, own: readonly Pod[]): readonly Pod[] => {
    const owner = controllerOf(replicaSet)
    if (owner === undefined) return own.filter(isPodActive)
    const siblings = replicaSets.byIndex(BY_CONTROLLER, owner.uid)
    return siblings.flatMap(({ metadata }) => pods.byIndex(BY_CONTROLLER, metadata?.uid ?? '')).filter(isPodActive)
  }

  const reconcile = async (key: string): Promise<ReconcileResult | undefined> => {
    const { namespace, name } = splitKey(key)
    const replicaSet = written.get(namespace, name)
    if (replicaSet === undefined) {
      expectations.forget(key)
      return undefined
    }
    const writesInFlight = !expectations.satisfied(key)
    const uid = replicaSet.metadata?.uid ?? ''
    const candidates = [
      ...pods.byIndex(BY_CONTROLLER, uid),
      ...pods.byIndex(ORPHANS, namespace ?? '').filter(isPodActive),
    ]
    const claims = planClaims(replicaSet, labelMatcherOf(replicaSet.spec?.selector), candidates)
    const owned = await applyClaims(client, claims, { type: REPLICA_SETS, object: replicaSet }, PODS)
    const observed = { pods: owned, related: relatedPods(replicaSet, owned), writesInFlight }
    const plan = planReplicaSet(replicaSet, observed, clock.now())
    let failure: Failure | undefined
    for (const action of plan.actions) failure = (await apply(replicaSet, key, action)) ?? failure
    const kept = replicaSet.status?.conditions?.find(({ type }) => type === 'ReplicaFailure')
    // While writes are in flight nothing was tried, so the last attempt's outcome stands.
    const shown = writesInFlight && kept !== undefined ? (kept as unknown as Failure) : failure
    const { status } = planReplicaSet(
      replicaSet,
      { ...observed, writesInFlight, failure: shown && { reason: shown.reason, message: shown.message } },
      clock.now(),
    )
    if (!sameValue(status, replicaSet.status)) {
      try {
        written.record(await client.updateStatus(REPLICA_SETS, { ...replicaSet, status }))
      } catch (error) {
        if (!isReason(error, 'NotFound')) throw error
      }
    }
    if (failure !== undefined) throw new Error(failure.message)
    const recheckMs = plan.recheckAt === undefined ? Number.POSITIVE_INFINITY : plan.recheckAt - clock.now()
    const waitsMs = expectations.satisfied(key) ? Number.POSITIVE_INFINITY : WRITES_EXPIRED_MS
    const requeueAfterMs = Math.max(0, Math.min(recheckMs, waitsMs))
    return requeueAfterMs === Number.POSITIVE_INFINITY ? undefined : { requeueAfterMs }
  }

  return runController({
    name: 'replicaset',
    context,
    informers: [replicaSets, pods, ...room.informers],
    workers: 8,
    reconcile,
    subscribe(queue) {
      const ownerKey = (pod: Pod): string | undefined => {
        const owner = controllerOf(pod)
        if (owner?.kind !== REPLICA_SETS.kind) return undefined
        const replicaSet = replicaSets.get(pod.metadata?.namespace, owner.name)
        return `${pod.metadata?.namespace}/${replicaSet?.metadata?.name ?? owner.name}`
      }
      const wakeOwner = (pod: Pod): void => {
        const key = ownerKey(pod)
        if (key !== undefined) queue.add(key)
        else if (controllerOf(pod) === undefined && pod.metadata?.deletionTimestamp === undefined) {
          for (const candidate of replicaSets.list(pod.metadata?.namespace)) {
            if (labelMatcherOf(candidate.spec?.selector).matches(pod.metadata?.labels)) queue.add(objectKey(candidate))
          }
        }
      }
      const onPod = (change: Change<Pod>): void => {
        const pod = change.object
        const key = ownerKey(pod)
        if (change.type === 'modified') {
          const before = ownerKey(change.previous)
          if (before !== undefined && before !== key) queue.add(before)
        }
        if (key !== undefined) {
          if (change.type === 'added') expectations.creationObserved(key)
          if (change.type === 'deleted' || pod.metadata?.deletionTimestamp !== undefined) {
            expectations.deletionObserved(key, objectKey(pod))
          }
        }
        wakeOwner(pod)
      }
      const retryRefused = (namespace: string): void => {
        for (const replicaSet of replicaSets.list(namespace))
          if (isConditionTrue(replicaSet.status?.conditions, 'ReplicaFailure')) queue.add(objectKey(replicaSet))
      }
      return [
        replicaSets.onChange((change) => queue.add(objectKey(change.object))),
        pods.onChange(onPod),
        ...room.follow(retryRefused),
      ]
    },
  })
}
