import { type KubeObject, objectKey, splitKey } from '../../../api/object.ts'
import { RESOURCE_QUOTAS, type ResourceType } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import type { ResourceQuota } from '../../../api/types/core-v1.gen.ts'
import type { Change } from '../../../client/informer.ts'
import type { ReconcileResult } from '../../../client/run-workers.ts'
import { evaluatorOf } from '../../quota/evaluators.ts'
import { sameUsage } from '../../quota/same-usage.ts'
import { countedTypes, isCountable, UsageCounter } from '../../quota/usage-counter.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { sameValue } from '../same-value.ts'

/** Admission counts what is made; it is counted again once no more is made for this long, or this often. */
const RECOUNT_MS = 500

/** Objects that are counted before others on this event loop have their turn. */
const AT_ONCE = 500

/**
 * Counts what namespaces hold and writes it into their quotas: what is deleted, has ended or was changed is released.
 * A count holds only if nothing was charged to the quota while it was made; as every charge is one commit with what it
 * is for, such a count is exact, and what is used is never told as less than it is.
 */
export function startResourceQuotaController(context: ControllerContext): RunningController {
  const { client, clock } = context
  const quotas = context.informers.for(RESOURCE_QUOTAS)
  const types = context.resourceTypes.filter(isCountable)
  const informers = types.map((type) => ({ type, informer: context.informers.for(type) }))

  const find = async (namespace: string | undefined, name: string): Promise<ResourceQuota | undefined> => {
    try {
      return await client.get(RESOURCE_QUOTAS, { namespace, name })
    } catch (error) {
      if (isReason(error, 'NotFound')) return undefined
      throw error
    }
  }

  const reconcile = async (key: string): Promise<ReconcileResult | undefined> => {
    const { namespace, name } = splitKey(key)
    if (quotas.get(namespace, name) === undefined) return undefined
    // Asked of the server, and before what it counts: copies may be from before the last charge.
    const quota = await find(namespace, name)
    if (quota === undefined) return undefined
    const counter = new UsageCounter(quota, clock.now())
    for (const type of countedTypes(quota, types)) {
      const { items } = await client.list(type as ResourceType, { namespace })
      for (let i = 0; i < items.length || i === 0; i += AT_ONCE) {
        if (i > 0) await new Promise((resolve) => setImmediate(resolve))
        counter.add(type, items.slice(i, i + AT_ONCE))
      }
    }
    const { status, recheckAtMs } = counter.count()
    if (!sameValue(status, quota.status)) {
      try {
        await client.updateStatus(RESOURCE_QUOTAS, { ...quota, status })
      } catch (error) {
        if (isReason(error, 'NotFound')) return undefined
        // Something was charged meanwhile. Not an error, and no reason to count ever more seldom.
        if (isReason(error, 'Conflict')) return { requeueAfterMs: RECOUNT_MS }
        throw error
      }
    }
    return recheckAtMs === undefined ? undefined : { requeueAfterMs: recheckAtMs - clock.now() + 1 }
  }

  return runController({
    name: 'resourcequota',
    context,
    informers: [quotas, ...informers.map(({ informer }) => informer)],
    workers: 5,
    reconcile,
    subscribe(queue) {
      const wake = (type: ResourceType, change: Change<KubeObject>): void => {
        const evaluator = evaluatorOf(type)
        for (const quota of quotas.list(change.object.metadata?.namespace ?? '')) {
          if (!Object.keys(quota.spec?.hard ?? {}).some((name) => evaluator.counts(name))) continue
          if (change.type === 'deleted') queue.add(objectKey(quota))
          else if (change.type === 'added') queue.addAfter(objectKey(quota), RECOUNT_MS)
          else if (!sameUsage(quota, evaluator, change.previous, change.object, clock.now()))
            queue.add(objectKey(quota))
        }
      }
      return [
        quotas.onChange((change) => {
          // What admission charges is right: looked at once in a while only, lest each charge be followed by a count.
          const charged = change.type === 'modified' && sameValue(change.previous.spec, change.object.spec)
          if (charged) queue.addAfter(objectKey(change.object), RECOUNT_MS)
          else if (change.type !== 'deleted') queue.add(objectKey(change.object))
        }),
        ...informers.map(({ type, informer }) => informer.onChange((change) => wake(type, change))),
      ]
    },
  })
}
