import { isReason } from '../../api/status-error.ts'
import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Logger } from '../../base/logger.ts'
import type { ClusterState } from './cluster/cluster-state.ts'
import type { NodeInfo } from './cluster/node-info.ts'
import { type PodInfo, podInfoOf } from './cluster/pod-info.ts'
import type { ClusterEvent } from './cluster-event.ts'
import type { PodWriter } from './pod-writer.ts'
import type { SchedulingQueue } from './queue/scheduling-queue.ts'
import type { QueuedPod } from './queue/waiting-pods.ts'
import { withdrawPromise } from './withdraw-promise.ts'

export interface BinderOptions {
  readonly state: ClusterState
  readonly queue: SchedulingQueue
  readonly writer: PodWriter
  readonly logger: Logger
  /** Uids of pods that were given a node which the API does not show yet, by key. */
  readonly assumed: Map<string, string>
  readonly emit: (event: ClusterEvent) => void
  /** A pod as the API shows it now; undefined when it is gone. */
  readonly current: (pod: PodInfo) => Pod | undefined
}

/** Gives a pod to a node: counts it there at once and then tells the API. Resolves when the API has answered: whether it took it. */
export type BindPod = (queued: QueuedPod, node: NodeInfo) => Promise<boolean>

export function createBinder(options: BinderOptions): BindPod {
  const { state, queue, writer, logger, assumed, emit, current } = options

  /** The API said no: the pod is not there after all, and comes again unless it need not. */
  const giveUp = async (queued: QueuedPod, node: NodeInfo, error: unknown): Promise<void> => {
    const { key, pod } = queued
    // When the copy of the API shows the pod on a node, or no more, whatever had to be done is done.
    if (assumed.get(key) !== pod.uid) return
    assumed.delete(key)
    state.removePod(key)
    const known = current(pod)
    const isDone =
      isReason(error, 'NotFound') ||
      known === undefined ||
      (known.spec?.nodeName ?? '') !== '' ||
      known.metadata?.deletionTimestamp !== undefined
    if (!isDone) {
      logger.debug({ err: error, pod: key, node: node.name }, 'a pod could not be bound; trying again')
      queue.retry({ ...queued, pod: podInfoOf(known) })
    }
    emit({ kind: 'podRemoved', pod, node })
    if (isDone) return
    const why = error instanceof Error ? error.message : String(error)
    await writer.explain(known, { reason: 'SchedulerError', message: `binding rejected: ${why}`, promise: '' })
  }

  return async (queued, node) => {
    const { key, pod } = queued
    state.setPod(pod, node.name)
    assumed.set(key, pod.uid)
    if (state.nominations.nodeOf(key) === node.name) state.nominations.delete(key)
    else withdrawPromise(pod, state, emit)
    try {
      await writer.bind(pod.pod, node.name)
      return true
    } catch (error) {
      await giveUp(queued, node, error)
      return false
    }
  }
}
