import { isConditionTrue } from '../../../api/conditions.ts'
import { isPodTerminal } from '../../../api/pod-readiness.ts'
import { NODES, PODS } from '../../../api/resource-type.ts'
import { isReason } from '../../../api/status-error.ts'
import type { Node } from '../../../api/types/core-v1.gen.ts'
import type { Millis, Timer } from '../../../base/clock.ts'
import { type ControllerContext, type RunningController, runController } from '../controller-context.ts'
import { markDisrupted } from '../mark-disrupted.ts'
import { type PodGcAction, type PodGcConfig, planPodGc } from './plan-pod-gc.ts'

const PASS = 'pass'
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service'

function outOfService({ spec, status }: Node): boolean {
  return !isConditionTrue(status?.conditions, 'Ready') && (spec?.taints ?? []).some(({ key }) => key === OUT_OF_SERVICE)
}

/** Removes pods that nobody else will, every `periodMs`. */
export function startPodGcController(
  context: ControllerContext,
  config: PodGcConfig & { readonly periodMs: Millis },
): RunningController {
  const { client, clock, logger } = context
  const nodes = context.informers.for(NODES)
  const pods = context.informers.for(PODS)
  let missing: ReadonlyMap<string, Millis> = new Map()

  const nodeIsGone = async (name: string): Promise<boolean> => {
    try {
      await client.get(NODES, { name })
      return false
    } catch (error) {
      if (isReason(error, 'NotFound')) return true
      throw error
    }
  }

  const apply = async ({ kind, pod, why }: PodGcAction): Promise<void> => {
    const { namespace, name = '', uid = '' } = pod.metadata ?? {}
    logger.info({ pod: `${namespace}/${name}`, why }, 'removing a pod')
    try {
      if (kind !== 'deleteTerminated' && !isPodTerminal(pod)) {
        await markDisrupted(client, pod, { reason: 'DeletionByPodGC', message: why, fail: true }, clock.now())
      }
      await client.delete(PODS, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }

  const reconcile = async (): Promise<undefined> => {
    const known = new Map(nodes.list().map((node) => [node.metadata?.name ?? '', { outOfService: outOfService(node) }]))
    const plan = planPodGc(pods.list(), known, missing, config, clock.monotonic())
    missing = plan.missingSince
    const gone = new Map<string, boolean>()
    for (const action of plan.actions) {
      if (action.kind === 'deleteOrphan') {
        if (!gone.has(action.nodeName)) gone.set(action.nodeName, await nodeIsGone(action.nodeName))
        if (gone.get(action.nodeName) === false) continue
      }
      try {
        await apply(action)
      } catch (error) {
        logger.warn({ err: error }, 'a pod could not be removed; the next pass tries again')
      }
    }
  }

  let timer: Timer | undefined
  return runController({
    name: 'podgc',
    context,
    informers: [nodes, pods],
    workers: 1,
    reconcile,
    subscribe(queue) {
      const tick = (): void => {
        queue.add(PASS)
        timer = clock.setTimer(config.periodMs, tick)
      }
      tick()
      return [() => timer?.cancel()]
    },
  })
}
