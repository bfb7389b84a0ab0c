import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { VirtualClock } from '../../../../src/base/virtual-clock.ts'
import type { PodInfo } from '../../../../src/controlplane/scheduler/cluster/pod-info.ts'
import { SchedulingQueue } from '../../../../src/controlplane/scheduler/queue/scheduling-queue.ts'
import { podInfo } from '../objects.ts'

const SECOND = 1_000
const FIT = ['NodeResourcesFit']

describe('SchedulingQueue', () => {
  let clock: VirtualClock
  let queue: SchedulingQueue
  let readied = 0

  beforeEach(() => {
    clock = new VirtualClock(0)
    readied = 0
    queue = new SchedulingQueue(clock, () => {
      readied += 1
    })
  })
  afterEach(() => queue.close())

  const ranked = (name: string, priority = 0): PodInfo => podInfo(name, { spec: { priority } })
  const popAll = (): readonly string[] => {
    const names: string[] = []
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) names.push(next.pod.pod.metadata?.name ?? '')
    return names
  }
  /** Tries a pod and has it refused. */
  const refuse = (refusedBy: readonly string[] = FIT): void => queue.wait(queue.pop()!, refusedBy)
  /** Keeps the queue busy, so that no back-off is cut short. */
  const busy = (): void => queue.set(ranked('busy', 1_000), false)

  test('the highest priority comes first, then who came first', () => {
    for (const [name, priority] of [
      ['a', 0],
      ['b', 5],
      ['c', 0],
      ['d', 5],
      ['e', -1],
    ] as const) {
      queue.set(ranked(name, priority), false)
    }
    assert.deepEqual(popAll(), ['b', 'd', 'a', 'c', 'e'])
  })

  test('a new version keeps its place; a higher priority moves it', () => {
    for (const name of ['a', 'b', 'c']) queue.set(ranked(name), false)
    queue.set(podInfo('a', { labels: { version: '2' } }), true)
    queue.set(ranked('c', 1), true)
    const tried = [queue.pop()!, queue.pop()!]
    assert.deepEqual(
      tried.map(({ key }) => key),
      ['default/c', 'default/a'],
    )
    assert.equal(tried[1]!.pod.labels.version, '2')
  })

  test('who was refused goes to the end of the line', async () => {
    queue.set(ranked('a'), false)
    refuse()
    queue.set(ranked('b'), false)
    await clock.advance(2 * SECOND)
    queue.wakeRefusedBy('NodeResourcesFit', () => true)
    queue.set(ranked('c'), false)
    // `a` was refused before `b` came.
    assert.deepEqual(popAll(), ['a', 'b', 'c'])
  })

  test('a pod waits until something changes that may help it', async () => {
    queue.set(ranked('a'), false)
    refuse(['NodeResourcesFit', 'NodePorts'])
    await clock.advance(60 * SECOND)
    assert.deepEqual(popAll(), [])
    queue.wakeRefusedBy('NodeAffinity', () => true)
    queue.wakeRefusedBy('NodePorts', () => false)
    assert.deepEqual(popAll(), [])
    queue.wakeRefusedBy('NodePorts', ({ key }) => key === 'default/a')
    assert.deepEqual(popAll(), ['a'])
  })

  test('a new version of its own wakes a waiting pod only when it may help', () => {
    queue.set(ranked('a'), false)
    refuse()
    queue.set(ranked('a'), false)
    assert.deepEqual(popAll(), [])
    queue.set(ranked('a'), true)
    assert.deepEqual(popAll(), ['a'])
  })

  test('back-off is one second, doubling to ten', async () => {
    queue.set(ranked('a'), false)
    const delays: number[] = []
    for (let i = 0; i < 6; i++) {
      refuse()
      busy()
      queue.wake('default/a')
      const from = clock.monotonic()
      // Only once active does it come before one of lower priority that is popped next.
      while (queue.counts.delayed > 0) await clock.advance(100)
      delays.push(Math.round((clock.monotonic() - from) / SECOND))
      queue.remove('default/busy')
    }
    assert.deepEqual(delays, [1, 2, 4, 8, 10, 10])
  })

  test('back-off runs from when the pod was refused, not from when it was woken', async () => {
    queue.set(ranked('a'), false)
    refuse()
    await clock.advance(2 * SECOND)
    busy()
    queue.wake('default/a')
    assert.deepEqual(queue.counts, { active: 2, delayed: 0, failed: 0, waiting: 0, gated: 0 })
  })

  test('back-off is cut short when nothing else is to be done', () => {
    queue.set(ranked('a'), false)
    refuse()
    busy()
    queue.wake('default/a')
    assert.equal(queue.counts.delayed, 1)
    assert.deepEqual(popAll(), ['busy', 'a'])
  })

  test('among those whose back-off ends together priority decides', () => {
    queue.set(ranked('low', 1), false)
    queue.set(ranked('high', 2), false)
    const [high, low] = [queue.pop()!, queue.pop()!]
    queue.wait(low, FIT)
    queue.wait(high, FIT)
    queue.wakeRefusedBy('NodeResourcesFit', () => true)
    assert.deepEqual(popAll(), ['high', 'low'])
  })

  test('a pod that could not be bound serves its back-off in full', async () => {
    queue.set(ranked('a'), false)
    queue.retry(queue.pop()!)
    assert.equal(queue.pop(), undefined)
    await clock.advance(999)
    assert.equal(queue.pop(), undefined)
    const before = readied
    await clock.advance(1)
    assert.equal(readied, before + 1)
    assert.equal(queue.pop()?.attempts, 2)
  })

  test('a pod that nothing woke is tried again after five minutes', async () => {
    queue.set(ranked('a'), false)
    refuse()
    await clock.advance(5 * 60 * SECOND - 1)
    assert.equal(queue.pop(), undefined)
    await clock.advance(30 * SECOND)
    assert.equal(queue.pop()?.attempts, 2)
  })

  test('a gated pod is tried when its last gate is gone', () => {
    const gated = (...names: readonly string[]): PodInfo =>
      podInfo('a', { spec: { schedulingGates: names.map((name) => ({ name })) } })
    queue.set(gated('one', 'two'), false)
    assert.equal(queue.pop(), undefined)
    queue.set(gated('two'), true)
    assert.equal(queue.pop(), undefined)
    assert.equal(queue.counts.gated, 1)
    queue.set(gated(), true)
    assert.deepEqual(popAll(), ['a'])
    assert.equal(queue.counts.gated, 0)
  })

  test('a pod that is gone is nowhere', async () => {
    queue.set(ranked('active'), false)
    queue.set(ranked('delayed'), false)
    queue.set(ranked('failed'), false)
    queue.set(ranked('waiting'), false)
    const [active, delayed, failed, waiting] = [queue.pop()!, queue.pop()!, queue.pop()!, queue.pop()!]
    queue.set(active.pod, false)
    queue.wait(delayed, FIT)
    queue.wake(delayed.key)
    queue.retry(failed)
    queue.wait(waiting, FIT)
    queue.set(podInfo('gated', { spec: { schedulingGates: [{ name: 'g' }] } }), false)
    assert.deepEqual(queue.counts, { active: 1, delayed: 1, failed: 1, waiting: 1, gated: 1 })
    for (const name of ['active', 'delayed', 'failed', 'waiting', 'gated']) {
      assert.equal(queue.has(`default/${name}`), true)
      queue.remove(`default/${name}`)
      assert.equal(queue.has(`default/${name}`), false)
    }
    await clock.advance(10 * 60 * SECOND)
    queue.wakeRefusedBy('NodeResourcesFit', () => true)
    assert.equal(queue.pop(), undefined)
  })

  test('a held pod is woken when it is released, if anything would have woken it', () => {
    queue.set(ranked('a'), false)
    refuse()
    queue.hold('default/a')
    queue.wake('default/a')
    assert.equal(queue.pop(), undefined)
    queue.release('default/a', false)
    assert.deepEqual(popAll(), ['a'])
  })

  test('a held pod that nothing woke goes on waiting, unless it is to be tried anyway', () => {
    queue.set(ranked('a'), false)
    refuse()
    queue.hold('default/a')
    queue.release('default/a', false)
    assert.equal(queue.pop(), undefined)
    queue.hold('default/a')
    queue.release('default/a', true)
    assert.deepEqual(popAll(), ['a'])
  })

  test('a closed queue leaves no timer behind', async () => {
    queue.set(ranked('a'), false)
    queue.retry(queue.pop()!)
    queue.close()
    const before = readied
    await clock.advance(10 * 60 * SECOND)
    assert.equal(readied, before)
  })
})
