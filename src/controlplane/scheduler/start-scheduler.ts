import { NAMESPACES, NODES, POD_DISRUPTION_BUDGETS, PODS, REPLICA_SETS, SERVICES } from '../../api/resource-type.ts'
import type { Pod } from '../../api/types/core-v1.gen.ts'
import type { Clock, Millis } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'
import type { InformerFactory } from '../../client/informer-factory.ts'
import { createBinder } from './bind-pods.ts'
import { ClusterState } from './cluster/cluster-state.ts'
import type { NodeInfo } from './cluster/node-info.ts'
import type { PodInfo } from './cluster/pod-info.ts'
import type { ClusterEvent } from './cluster-event.ts'
import { decide, type Refused } from './decide.ts'
import { createClusterFollower } from './follow-cluster.ts'
import { createPodWriter, type Explanation } from './pod-writer.ts'
import { planPreemption } from './preemption/plan-preemption.ts'
import { createPreemptor } from './preemption/preemptor.ts'
import { SchedulingQueue } from './queue/scheduling-queue.ts'
import type { QueuedPod } from './queue/waiting-pods.ts'
import { RefusalMemo } from './refusal-memo.ts'
import { SchedulerMetrics } from './scheduler-metrics.ts'
import { serviceBuckets, siblingsOf } from './siblings.ts'
import { unschedulableMessage } from './unschedulable-message.ts'
import { filtersOf, wakePods } from './wake-pods.ts'
import { withdrawPromise } from './withdraw-promise.ts'

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
  /** Where what it does is counted; nowhere when left out. */
  readonly metrics?: SchedulerMetrics
  /** In [0, 1): chooses among nodes that are equally good. */
  readonly random?: () => number
}

/** Starts giving nodes to pods; returns at once. Decisions are made one after the other, writes overlap. */
export function startScheduler(options: SchedulerOptions): { close(): Promise<void> } {
  const { client, informers, events, clock, logger, random = Math.random, metrics = new SchedulerMetrics() } = options
  const [pods, nodes, namespaces] = [informers.for(PODS), informers.for(NODES), informers.for(NAMESPACES)]
  const services = informers.for(SERVICES, { indexes: { selectedPods: serviceBuckets } })
  const [replicaSets, budgets] = [informers.for(REPLICA_SETS), informers.for(POD_DISRUPTION_BUDGETS)]
  const sources = {
    services: (bucket: string) => services.byIndex('selectedPods', bucket),
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
  metrics.follow(queue)
  const memo = new RefusalMemo()
  const emit = (event: ClusterEvent): void => wakePods(event, queue, memo, state)
  const current = ({ namespace, uid, pod }: PodInfo): Pod | undefined => {
    const known = pods.get(namespace, pod.metadata?.name ?? '')
    return known?.metadata?.uid === uid ? known : undefined
  }
  const common = { state, queue, writer, logger, current }
  const bind = createBinder({ ...common, assumed, emit })
  const preemptor = createPreemptor(common)

  const track = (write: Promise<void>, what: string, { key }: QueuedPod): void => {
    const tracked = write
      .catch((error) => logger.debug({ err: error, pod: key }, `${what} failed`))
      .finally(() => {
        writes.delete(tracked)
        arm()
      })
    writes.add(tracked)
  }

  const explain = async ({ pod }: QueuedPod, explanation: Explanation): Promise<void> => {
    const known = current(pod)
    if (known !== undefined) await writer.explain(known, explanation)
  }

  const wait = (
    queued: QueuedPod,
    refusedBy: readonly string[],
    message: string,
    promise: string | undefined,
  ): void => {
    queue.wait(queued, refusedBy)
    track(explain(queued, { reason: 'Unschedulable', message, promise }), 'telling why a pod waits', queued)
  }

  /** Lets the pod wait, and tries to make room for it by taking away pods of lower priority. */
  const refuse = (queued: QueuedPod, decision: Refused): void => {
    const { pod, key } = queued
    const refusedBy = filtersOf(decision)
    const wasPromised = state.nominations.nodeOf(key) !== undefined
    const plan = planPreemption(pod, decision, state, budgets.list(), random)
    if (plan.kind === 'candidate') {
      wait(queued, refusedBy, unschedulableMessage(decision, undefined), plan.node.name)
      memo.clear()
      metrics.preempted(plan.victims.length)
      track(preemptor.carryOut(pod, plan), 'preemption', queued)
      return
    }
    const message = unschedulableMessage(decision, plan.message)
    if (wasPromised && !plan.keepsPromise) withdrawPromise(pod, state, emit)
    if (!wasPromised) memo.set({ pod, refusedBy, message })
    wait(queued, refusedBy, message, plan.keepsPromise ? undefined : '')
  }

  /** Gives the pod to a node; the attempt is over when the API has answered. */
  const place = async (queued: QueuedPod, node: NodeInfo, began: Millis): Promise<void> => {
    const seenAt = queue.seenAt(queued.key) ?? began
    const isBound = await bind(queued, node)
    const now = clock.monotonic()
    metrics.attempt(isBound ? 'scheduled' : 'error', now - began)
    if (isBound) metrics.placed(queued.attempts, now - seenAt)
  }

  const scheduleOne = (queued: QueuedPod): void => {
    const { pod, key } = queued
    const began = clock.monotonic()
    const known = state.nominations.nodeOf(key) === undefined ? memo.get(pod) : undefined
    if (known !== undefined) {
      wait(queued, known.refusedBy, known.message, '')
      metrics.attempt('unschedulable', clock.monotonic() - began)
      return
    }
    const decision = decide(pod, state, { start, random })
    start = decision.nextStart
    if (decision.kind === 'place') track(place(queued, decision.node, began), 'binding', queued)
    else {
      refuse(queued, decision)
      metrics.attempt('unschedulable', clock.monotonic() - began)
    }
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
        metrics.attempt('error', 0)
        logger.error({ err: error, pod: queued.key }, 'scheduling failed; trying again')
        queue.retry(queued)
      }
      if (clock.monotonic() - began > SLICE_MS) {
        arm()
        return
      }
    }
  }

  const follower = createClusterFollower({ state, queue, assumed, emit, onLeaving: preemptor.onLeaving })
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
      metrics.follow(undefined)
      for (const stop of unhook) stop()
      queue.close()
      await Promise.all(writes)
      await events.flush()
    },
  }
}
