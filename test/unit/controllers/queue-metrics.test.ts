import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { WorkQueue } from '../../../src/client/work-queue.ts'
import { QueueMetrics } from '../../../src/controlplane/controllers/queue-metrics.ts'

function told(metrics: QueueMetrics): Readonly<Record<string, readonly (readonly [name: string, value: number])[]>> {
  return Object.fromEntries(
    metrics
      .families()
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
