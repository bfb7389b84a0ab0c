import { objectKey, splitKey } from '../../../api/object.ts'
import { isPodTerminal } from '../../../api/pod-readiness.ts'
import { NODES, PODS } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import type { Pod } from '../../../api/types/core-v1.gen.ts'
import type { ReconcileResult } from '../../../client/run-workers.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { markDisrupted } from '../mark-disrupted.ts'
import { typed } from '../owner-references.ts'
import { sameValue } from '../same-value.ts'
import { PODS_ON_NODE } from './node-lifecycle-controller.ts'
import { planTaintEviction } from './plan-taint-eviction.ts'

/** Deletes pods from nodes with NoExecute taints once they no longer tolerate them. */
export function startTaintEvictionController(context: ControllerContext): RunningController {
  const { client, clock } = context
  const events = context.events('taint-eviction-controller')
  const nodes = context.informers.for(NODES)
  const pods = context.informers.for(PODS, {
    indexes: { [PODS_ON_NODE]: ({ spec }: Pod) => (spec?.nodeName ? [spec.nodeName] : []) },
  })
  /** Monotonic start of each pod's borrowed time, by UID. */
  const since = new Map<string, number>()

  const evict = async (pod: Pod, why: string): Promise<void> => {
    const { namespace, name = '', uid = '' } = pod.metadata ?? {}
    events.event(typed(PODS, pod), 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${namespace}/${name}`)
    try {
      await markDisrupted(client, pod, { reason: 'DeletionByTaintManager', message: why, fail: false }, clock.now())
      await client.delete(PODS, { namespace, name }, { preconditions: { uid } })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }

  const reconcile = async (key: string): Promise<ReconcileResult | undefined> => {
    const { namespace, name } = splitKey(key)
    const pod = pods.get(namespace, name)
    const uid = pod?.metadata?.uid ?? ''
    const node = pod?.spec?.nodeName ? nodes.get(undefined, pod.spec.nodeName) : undefined
    if (pod === undefined || node === undefined || isPodTerminal(pod)) {
      since.delete(uid)
      return undefined
    }
    const plan = planTaintEviction(pod, node.spec?.taints ?? [], since.get(uid), clock.monotonic())
    if (plan.since !== undefined) since.set(uid, plan.since)
    else if (since.delete(uid) && pod.metadata?.deletionTimestamp === undefined) {
      const message = `Cancelling deletion of Pod ${namespace}/${name}`
      events.event(typed(PODS, pod), 'Normal', 'TaintManagerEviction', message)
    }
    for (const { why } of plan.actions) await evict(pod, why)
    if (plan.recheckAt === undefined) return undefined
    return { requeueAfterMs: Math.max(1, plan.recheckAt - clock.monotonic()) }
  }

  return runController({
    name: 'taint-eviction',
    context,
    informers: [nodes, pods],
    workers: 8,
    reconcile,
    subscribe: (queue) => [
      pods.onChange((change) => {
        const { object } = change
        if (change.type === 'deleted') since.delete(object.metadata?.uid ?? '')
        const same =
          change.type === 'modified' &&
          change.previous.spec?.nodeName === object.spec?.nodeName &&
          sameValue(change.previous.spec?.tolerations, object.spec?.tolerations)
        if (!same && object.spec?.nodeName) queue.add(objectKey(object))
      }),
      nodes.onChange((change) => {
        const { object } = change
        if (change.type === 'modified' && sameValue(change.previous.spec?.taints, object.spec?.taints)) return
        for (const pod of pods.byIndex(PODS_ON_NODE, object.metadata?.name ?? '')) queue.add(objectKey(pod))
      }),
    ],
  })
}
