import { NAMESPACES, NODES, PODS, REPLICA_SETS, SERVICES } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'
import type { InformerFactory } from '../../client/informer-factory.ts'
import { ClusterState } from './cluster/cluster-state.ts'
import { podInfoOf } from './cluster/pod-info.ts'
import type { ClusterEvent } from './cluster-event.ts'
import { decide } from './decide.ts'
import { FILTERS } from './filters/all-filters.ts'
import { createClusterFollower } from './follow-cluster.ts'
import { createPodWriter } from './pod-writer.ts'
import { type QueuedPod, SchedulingQueue } from './queue/scheduling-queue.ts'
import { siblingsOf } from './siblings.ts'
import { unschedulableMessage } from './unschedulable-message.ts'

/** Writes to the API that may be on their way at once. */
const WRITES_MAX = 200
/** After deciding for so long the event loop, which the API server shares, gets its turn. */
const SLICE_MS = 4

export interface SchedulerOptions {
  readonly client: Client
  readonly informers: InformerFactory
  readonly events: EventRecorder
  readonly clock: Clock
  readonly logger: Logger
  /** In [0, 1): chooses among nodes that are equally good. */
  readonly random?: () => number
}

const FILTER_OF = new Map(FILTERS.map((filter) => [filter.name, filter]))

/** Starts giving nodes to pods; returns at once. Decisions are made one after the other, writes overlap. */
export function startScheduler(options: SchedulerOptions): { close(): Promise<void> } {
  const { client, informers, events, clock, logger, random = Math.random } = options
  const [pods, nodes, namespaces] = [informers.for(PODS), informers.for(NODES), informers.for(NAMESPACES)]
  const [services, replicaSets] = [informers.for(SERVICES), informers.for(REPLICA_SETS)]
  const sources = {
    services: (namespace: string) => services.list(namespace),
    replicaSet: (namespace: string, name: string) => replicaSets.get(namespace, name),
  }
  const state = new ClusterState((pod) => siblingsOf(pod, sources))
  const assumed = new Map<string, string>()
  const writer = createPodWriter({ client, events, clock })
  const writes = new Set<Promise<void>>()
  let start = 0
  let isArmed = false
  let closed = false

  const arm = (): void => {
    if (isArmed || closed) return
    isArmed = true
    setImmediate(run)
  }
  const queue = new SchedulingQueue(clock, arm)

  const emit = (event: ClusterEvent): void => {
    queue.wakeIf((pod, refusedBy) => {
      // Without any node there was nobody to refuse.
      if (refusedBy.size === 0) return event.kind === 'nodeChanged'
      for (const name of refusedBy) if (FILTER_OF.get(name)!.helps(event, pod, state)) return true
      return false
    })
  }

  const track = (write: Promise<void>): void => {
    const tracked = write.finally(() => {
      writes.delete(tracked)
      arm()
    })
    writes.add(tracked)
  }

  const explain = async (
    { pod }: QueuedPod,
    reason: 'Unschedulable' | 'SchedulerError',
    message: string,
  ): Promise<void> => {
    try {
      await writer.explain(pod.pod, reason, message)
    } catch (error) {
      logger.debug({ err: error, pod: pod.key }, 'the reason why a pod has no node could not be written')
    }
  }

  const bind = async (queued: QueuedPod, node: string): Promise<void> => {
    const { key, pod } = queued
    try {
      await writer.bind(pod.pod, node)
    } catch (error) {
      // When the copy of the API shows the pod on a node already, the write came through after all.
      if (assumed.get(key) !== pod.uid) return
      assumed.delete(key)
      state.removePod(key)
      emit({ kind: 'podRemoved', pod })
      const current = pods.get(pod.namespace, pod.pod.metadata?.name ?? '')
      if (closed || isReason(error, 'NotFound') || current === undefined || current.metadata?.uid !== pod.uid) return
      if ((current.spec?.nodeName ?? '') !== '' || current.metadata?.deletionTimestamp !== undefined) return
      logger.debug({ err: error, pod: key, node }, 'a pod could not be bound; trying again')
      queue.retry({ ...queued, pod: podInfoOf(current) })
      if (!isReason(error, 'Conflict')) {
        const why = error instanceof Error ? error.message : String(error)
        await explain(queued, 'SchedulerError', `binding rejected: ${why}`)
      }
    }
  }

  const scheduleOne = (queued: QueuedPod): void => {
    const { pod } = queued
    const decision = decide(pod, state, { start, random })
    if (decision.kind === 'place') {
      start = decision.nextStart
      state.setPod(pod, decision.node.name)
      assumed.set(pod.key, pod.uid)
      track(bind(queued, decision.node.name))
      return
    }
    const { refused, nodeCount } = decision
    const refusedBy = new Set(refused.map(({ filter }) => filter))
    if (refused.length < nodeCount) refusedBy.add('NodeAffinity')
    queue.wait(queued, refusedBy)
    track(explain(queued, 'Unschedulable', unschedulableMessage(pod, refused, nodeCount)))
  }

  function run(): void {
    isArmed = false
    const began = clock.monotonic()
    while (!closed && writes.size < WRITES_MAX) {
      const queued = queue.pop()
      if (queued === undefined) return
      try {
        scheduleOne(queued)
      } catch (error) {
        logger.error({ err: error, pod: queued.key }, 'scheduling failed; trying again')
        queue.retry(queued)
      }
      if (clock.monotonic() - began > SLICE_MS) {
        arm()
        return
      }
    }
  }

  const follower = createClusterFollower({ state, queue, assumed, emit })
  let unhook: readonly (() => void)[] = []
  void informers.synced().then(() => {
    if (closed) return
    unhook = [
      namespaces.onChange((change) => follower.onNamespace(change)),
      nodes.onChange((change) => follower.onNode(change)),
      pods.onChange((change) => follower.onPod(change)),
    ]
  })

  return {
    async close() {
      closed = true
      for (const stop of unhook) stop()
      queue.close()
      await Promise.all(writes)
      await events.flush()
    },
  }
}
