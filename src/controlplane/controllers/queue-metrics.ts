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

  families(): readonly MetricFamily[] {
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
    ]
  }
}
