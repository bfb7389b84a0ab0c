import type { MetricFamily, MetricSample } from '../../base/metric-families.ts'
import type { WorkQueue } from '../../client/work-queue.ts'

/** The queues of all controllers by name, for `/metrics` under client-go's names. */
export class QueueMetrics {
  readonly #queues = new Map<string, WorkQueue>()

  /** Returns the way to take it out again. A controller that begins anew takes the place of its predecessor. */
  add(name: string, queue: WorkQueue): () => void {
    this.#queues.set(name, queue)
    return () => {
      if (this.#queues.get(name) === queue) this.#queues.delete(name)
    }
  }

  /** `nowMs`: the queues' monotonic clock. */
  families(nowMs: number): readonly MetricFamily[] {
    const ages = (queue: WorkQueue): readonly number[] => Array.from(queue.workingSince(), (at) => (nowMs - at) / 1_000)
    const durations = (name: string, help: string, of: 'waiting' | 'working'): MetricFamily => ({
      name,
      type: 'histogram',
      help,
      samples: () =>
        [...this.#queues].flatMap(([queue, { [of]: histogram }]) => histogram.samples(name, { name: queue })),
    })
    const samples = (read: (queue: WorkQueue) => number) => (): readonly MetricSample[] =>
      Array.from(this.#queues, ([name, queue]) => ({ labels: { name }, value: read(queue) }))
    return [
      {
        name: 'workqueue_depth',
        type: 'gauge',
        help: 'Current depth of workqueue',
        samples: samples((queue) => queue.length),
      },
      {
        name: 'workqueue_adds_total',
        type: 'counter',
        help: 'Total number of adds handled by workqueue',
        samples: samples((queue) => queue.adds),
      },
      {
        name: 'workqueue_retries_total',
        type: 'counter',
        help: 'Total number of retries handled by workqueue',
        samples: samples((queue) => queue.retries),
      },
      durations(
        'workqueue_queue_duration_seconds',
        'How long in seconds an item stays in workqueue before being requested.',
        'waiting',
      ),
      durations(
        'workqueue_work_duration_seconds',
        'How long in seconds processing an item from workqueue takes.',
        'working',
      ),
      {
        name: 'workqueue_unfinished_work_seconds',
        type: 'gauge',
        help: 'How many seconds of work has been done on keys that are still worked on.',
        samples: samples((queue) => ages(queue).reduce((sum, age) => sum + age, 0)),
      },
      {
        name: 'workqueue_longest_running_processor_seconds',
        type: 'gauge',
        help: 'How many seconds has the longest running processor for workqueue been running.',
        samples: samples((queue) => Math.max(0, ...ages(queue))),
      },
    ]
  }
}
