import { formatLabelSelector, labelMatcherOf } from '../../../api/label-selector.ts'
import { objectKey, splitKey } from '../../../api/object.ts'
import { DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS, REPLICA_SETS } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import type { Pod } from '../../../api/types/core-v1.gen.ts'
import type { PodDisruptionBudget } from '../../../api/types/policy-v1.gen.ts'
import type { ReconcileResult } from '../../../client/run-workers.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { OwnWrites } from '../own-writes.ts'
import { BY_CONTROLLER, controllerOf, OWNER_INDEXES, typed } from '../owner-references.ts'
import { sameValue } from '../same-value.ts'
import { type DisruptionObservation, planDisruption } from './plan-disruption.ts'

/** Keeps the numbers by which evictions are allowed or refused. */
export function startDisruptionController(context: ControllerContext): RunningController {
  const { client, clock } = context
  const events = context.events('controllermanager')
  const budgets = context.informers.for(POD_DISRUPTION_BUDGETS)
  const pods = context.informers.for(PODS, { indexes: OWNER_INDEXES })
  const replicaSets = context.informers.for(REPLICA_SETS, { indexes: OWNER_INDEXES })
  const deployments = context.informers.for(DEPLOYMENTS)
  const written = new OwnWrites(budgets)

  /** What finally manages a pod and how many it wants: its ReplicaSet's Deployment, or the ReplicaSet. */
  const scaleOf = (pod: Pod): { readonly uid: string; readonly replicas: number | undefined } | undefined => {
    const { namespace } = pod.metadata ?? {}
    const owner = controllerOf(pod)
    if (owner === undefined) return undefined
    const replicaSet = owner.kind === REPLICA_SETS.kind ? replicaSets.get(namespace, owner.name) : undefined
    if (replicaSet?.metadata?.uid !== owner.uid) return { uid: owner.uid, replicas: undefined }
    const above = controllerOf(replicaSet)
    if (above?.kind !== DEPLOYMENTS.kind) return { uid: owner.uid, replicas: replicaSet.spec?.replicas ?? 1 }
    const deployment = deployments.get(namespace, above.name)
    const same = deployment?.metadata?.uid === above.uid
    return { uid: above.uid, replicas: same ? (deployment?.spec?.replicas ?? 1) : undefined }
  }

  const observe = (budget: PodDisruptionBudget): DisruptionObservation => {
    const matcher = labelMatcherOf(budget.spec?.selector)
    const selected = pods.list(budget.metadata?.namespace).filter(({ metadata }) => matcher.matches(metadata?.labels))
    const scales = new Map<string, number>()
    const ownerOf = new Map<string, string>()
    for (const pod of selected) {
      const scale = scaleOf(pod)
      if (scale === undefined) continue
      ownerOf.set(pod.metadata?.name ?? '', scale.uid)
      if (scale.replicas !== undefined) scales.set(scale.uid, scale.replicas)
    }
    return { pods: selected, scales, ownerOf }
  }

  const reconcile = async (key: string): Promise<ReconcileResult | undefined> => {
    const { namespace, name } = splitKey(key)
    const budget = written.get(namespace, name)
    if (budget === undefined) return undefined
    const observed = observe(budget)
    const about = typed(POD_DISRUPTION_BUDGETS, budget)
    if (observed.pods.length === 0) events.event(about, 'Normal', 'NoPods', 'No matching pods found')
    const plan = planDisruption(budget, observed, clock.now())
    for (const { pod, why } of plan.actions) events.event(typed(PODS, pod), 'Warning', 'NotDeleted', why)
    if (plan.unmanaged) {
      const message = `Pods selected by this PodDisruptionBudget (selector: ${formatLabelSelector(budget.spec?.selector)}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`
      events.event(about, 'Warning', 'UnmanagedPods', message)
    }
    if (plan.failure !== undefined) {
      const message = `Failed to calculate the number of expected pods: ${plan.failure}`
      events.event(about, 'Warning', 'CalculateExpectedPodCountFailed', message)
    }
    if (!sameValue(plan.status, budget.status)) {
      try {
        written.record(await client.updateStatus(POD_DISRUPTION_BUDGETS, { ...budget, status: plan.status }))
      } catch (error) {
        if (!isReason(error, 'NotFound')) throw error
      }
    }
    return plan.recheckAt === undefined ? undefined : { requeueAfterMs: Math.max(0, plan.recheckAt - clock.now()) }
  }

  return runController({
    name: 'disruption',
    context,
    informers: [budgets, pods, replicaSets, deployments],
    workers: 2,
    reconcile,
    subscribe(queue) {
      const wake = (pod: Pod): void => {
        for (const budget of budgets.list(pod.metadata?.namespace)) {
          if (labelMatcherOf(budget.spec?.selector).matches(pod.metadata?.labels)) queue.add(objectKey(budget))
        }
      }
      return [
        budgets.onChange((change) => queue.add(objectKey(change.object))),
        pods.onChange((change) => {
          wake(change.object)
          if (change.type === 'modified') wake(change.previous)
        }),
        replicaSets.onChange(({ object }) => {
          for (const pod of pods.byIndex(BY_CONTROLLER, object.metadata?.uid ?? '')) wake(pod)
        }),
        deployments.onChange((change) => {
          if (change.type === 'modified' && change.previous.spec?.replicas === change.object.spec?.replicas) return
          for (const replicaSet of replicaSets.byIndex(BY_CONTROLLER, change.object.metadata?.uid ?? '')) {
            for (const pod of pods.byIndex(BY_CONTROLLER, replicaSet.metadata?.uid ?? '')) wake(pod)
          }
        }),
      ]
    },
  })
}
