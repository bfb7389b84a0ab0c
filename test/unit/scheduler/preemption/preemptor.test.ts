import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Pod } from '../../../../src/api/types/core-v1.gen.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import { VirtualClock } from '../../../../src/base/virtual-clock.ts'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import type { PodInfo } from '../../../../src/controlplane/scheduler/cluster/pod-info.ts'
import type { PodWriter } from '../../../../src/controlplane/scheduler/pod-writer.ts'
import { createPreemptor, type Preemptor } from '../../../../src/controlplane/scheduler/preemption/preemptor.ts'
import type { Candidate } from '../../../../src/controlplane/scheduler/preemption/select-victims.ts'
import { SchedulingQueue } from '../../../../src/controlplane/scheduler/queue/scheduling-queue.ts'
import { node, podInfo } from '../objects.ts'

describe('preemptor', () => {
  let state: ClusterState
  let queue: SchedulingQueue
  let preemptor: Preemptor
  let told: string[]
  let answer: PromiseWithResolvers<void>

  beforeEach(() => {
    state = new ClusterState()
    state.setNode(node('one'))
    queue = new SchedulingQueue(new VirtualClock(0), () => undefined)
    told = []
    answer = Promise.withResolvers()
    const name = ({ metadata }: Pod): string => metadata?.name ?? ''
    const writer: PodWriter = {
      bind: () => assert.fail('nothing is bound here'),
      explain: () => assert.fail('nothing is explained here'),
      async withdraw(pod) {
        told.push(`withdraw ${name(pod)}`)
      },
      preempt(victim, preempting, on) {
        told.push(`preempt ${name(victim)} on ${on} for ${name(preempting)}`)
        return answer.promise
      },
    }
    preemptor = createPreemptor({ state, queue, writer, logger: silentLogger, current: ({ pod }) => pod })
  })
  afterEach(() => queue.close())

  /** A pod that has been refused. */
  const waiting = (name: string, priority: number): PodInfo => {
    const pod = podInfo(name, { spec: { priority } })
    queue.set(pod, false)
    queue.wait(queue.pop()!, ['NodeResourcesFit'])
    return pod
  }
  const candidate = (...victims: readonly PodInfo[]): Candidate => ({
    kind: 'candidate',
    node: state.node('one')!,
    victims,
    violations: 0,
  })
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  test('the pod is tried again only when all of its victims are known to be leaving', async () => {
    const high = waiting('high', 10)
    const [a, b] = [podInfo('a'), podInfo('b')]
    const done = preemptor.carryOut(high, candidate(a, b))
    await settled()
    assert.deepEqual(told, ['preempt a on one for high', 'preempt b on one for high'])
    assert.equal(state.nominations.nodeOf(high.key), 'one')
    queue.wake(high.key)
    assert.equal(queue.pop(), undefined)
    answer.resolve()
    await done
    preemptor.onLeaving(a.uid)
    preemptor.onLeaving('somebody else')
    assert.equal(queue.pop(), undefined)
    preemptor.onLeaving(b.uid)
    assert.equal(queue.pop()?.key, high.key)
  })

  test('the pod is tried again when its victims cannot be taken away', async () => {
    const high = waiting('high', 10)
    const done = preemptor.carryOut(high, candidate(podInfo('a')))
    answer.reject(new Error('no'))
    await done
    assert.equal(queue.pop()?.key, high.key)
  })

  test('victims that are ending already are left alone, and not waited for', async () => {
    const high = waiting('high', 10)
    const ending = podInfo('a', { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } })
    await preemptor.carryOut(high, candidate(ending))
    assert.deepEqual(told, [])
    queue.wake(high.key)
    assert.equal(queue.pop()?.key, high.key)
  })

  test('less important pods that were promised the node look elsewhere at once', async () => {
    const [low, peer] = [waiting('low', 5), waiting('peer', 10)]
    for (const pod of [low, peer]) state.nominations.set(pod, 'one')
    const high = waiting('high', 10)
    answer.resolve()
    await preemptor.carryOut(high, candidate(podInfo('a')))
    assert.deepEqual(told, ['withdraw low', 'preempt a on one for high'])
    assert.equal(state.nominations.nodeOf(low.key), undefined)
    assert.equal(state.nominations.nodeOf(peer.key), 'one')
    assert.equal(queue.pop()?.key, low.key)
    assert.equal(queue.pop(), undefined)
  })
})
