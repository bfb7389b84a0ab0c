import type { ResourceType } from '../../api/resource-type.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/event-recorder.ts'
import type { InformerFactory } from '../../client/informer-factory.ts'
import { type ReconcileResult, runWorkers } from '../../client/run-workers.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import type { QueueMetrics } from './queue-metrics.ts'

/** What every controller is given. */
export interface ControllerContext {
  readonly client: Client
  readonly informers: InformerFactory
  /** The recorder of one component: `deployment-controller`, `node-controller`, … */
  readonly events: (component: string) => EventRecorder
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  /** Where the controllers' queues are shown. */
  readonly queues?: QueueMetrics
  /** Every resource that can be listed, watched and deleted: what namespaces hold and what the garbage collector follows. */
  readonly resourceTypes: readonly ResourceType[]
}

export interface RunningController {
  close(): Promise<void>
}

export interface ControllerParts {
  readonly name: string
  readonly context: Pick<ControllerContext, 'clock' | 'logger' | 'queues'>
  /** Copies that must be complete before the first key is worked on: nothing is decided on a half-filled cache. */
  readonly informers: readonly { readonly synced: Promise<void> }[]
  readonly workers: number
  /** Hooks change handlers to the queue; returns what unhooks them. */
  readonly subscribe: (queue: WorkQueue) => readonly (() => void)[]
  readonly reconcile: (key: string) => Promise<ReconcileResult | undefined>
}

/** The shell of a controller: wait for its copies, follow their changes, work on keys until closed. */
export function runController(parts: ControllerParts): RunningController {
  const { context, reconcile, name } = parts
  const queue = new WorkQueue(context.clock)
  const hide = context.queues?.add(name, queue)
  const logger = context.logger.child({ controller: name })
  let closed = false
  let unhook: readonly (() => void)[] = []
  let running: { close(): Promise<void> } | undefined
  void Promise.all(parts.informers.map((informer) => informer.synced)).then(() => {
    if (closed) return
    unhook = parts.subscribe(queue)
    running = runWorkers({ name, queue, workers: parts.workers, reconcile, logger })
  })
  return {
    async close() {
      closed = true
      for (const stop of unhook) stop()
      queue.close()
      hide?.()
      await running?.close()
    },
  }
}
