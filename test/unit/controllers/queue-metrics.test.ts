import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { WorkQueue } from '../../../src/client/work-queue.ts'
import { QueueMetrics } from '../../../src/controlplane/controllers/queue-metrics.ts'

function told(metrics: QueueMetrics): Readonly<Record<string, readonly (readonly [name: string, value: number])[]>> {
  return Object.fromEntries(
    metrics
      .families(0)
      .filter(({ type }) => type !== 'histogram')
      .filter(({ name }) => !name.endsWith('_seconds'))
      .map(({ name, samples }) => [
        name,
        Array.from(samples(), ({ labels, value }) => [labels?.name ?? '', value] as const),
      ]),
  )
}

test('queues are told of by name: what waits, what came, what came back', async () => {
  const clock = new VirtualClock()
  const metrics = new QueueMetrics()
  const queue = new WorkQueue(clock)
  const hide = metrics.add('deployment', queue)
  queue.add('a')
  queue.add('a')
  queue.add('b')
  assert.deepEqual(told(metrics), {
    workqueue_depth: [['deployment', 2]],
    workqueue_adds_total: [['deployment', 2]],
    workqueue_retries_total: [['deployment', 0]],
  })
  const key = await queue.get()
  queue.addRateLimited(key!)
  queue.done(key!)
  await clock.advance(10)
  assert.deepEqual(told(metrics), {
    workqueue_depth: [['deployment', 2]],
    workqueue_adds_total: [['deployment', 3]],
    workqueue_retries_total: [['deployment', 1]],
  })
  hide()
  assert.deepEqual(told(metrics).workqueue_depth, [])
  queue.close()
})

test('a controller that began anew is not hidden by the end of its predecessor', () => {
  const clock = new VirtualClock()
  const metrics = new QueueMetrics()
  const hide = metrics.add('a', new WorkQueue(clock))
  const next = new WorkQueue(clock)
  next.add('key')
  metrics.add('a', next)
  hide()
  assert.deepEqual(told(metrics).workqueue_depth, [['a', 1]])
})

test('how long keys wait and are worked on is told, and what has not come to an end', async () => {
  const clock = new VirtualClock()
  const metrics = new QueueMetrics()
  const queue = new WorkQueue(clock)
  metrics.add('deployment', queue)
  const value = (family: string, line = family, le?: string): number | undefined =>
    Array.from(
      metrics
        .families(clock.monotonic())
        .find(({ name }) => name === family)
        ?.samples() ?? [],
    ).find(({ metricName = family, labels }) => metricName === line && (le === undefined || labels?.le === le))?.value
  queue.add('a')
  await clock.advance(2_000)
  const key = await queue.get()
  assert.equal(value('workqueue_queue_duration_seconds', 'workqueue_queue_duration_seconds_sum'), 2)
  assert.equal(value('workqueue_queue_duration_seconds', 'workqueue_queue_duration_seconds_bucket', '1'), 0)
  assert.equal(value('workqueue_queue_duration_seconds', 'workqueue_queue_duration_seconds_bucket', '10'), 1)
  await clock.advance(500)
  assert.equal(value('workqueue_unfinished_work_seconds'), 0.5)
  assert.equal(value('workqueue_longest_running_processor_seconds'), 0.5)
  // Comes again while it is worked on: it waits from now, not from the end of that.
  queue.add('a')
  await clock.advance(1_000)
  queue.done(key!)
  assert.equal(value('workqueue_work_duration_seconds', 'workqueue_work_duration_seconds_sum'), 1.5)
  assert.equal(value('workqueue_unfinished_work_seconds'), 0)
  await queue.get()
  assert.equal(value('workqueue_queue_duration_seconds', 'workqueue_queue_duration_seconds_sum'), 3)
  queue.close()
})
