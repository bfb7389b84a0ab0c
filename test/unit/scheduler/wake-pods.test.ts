import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'
import { ClusterState } from '../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import type { PodInfo } from '../../../src/controlplane/scheduler/cluster/pod-info.ts'
import { decide } from '../../../src/controlplane/scheduler/decide.ts'
import { SchedulingQueue } from '../../../src/controlplane/scheduler/queue/scheduling-queue.ts'
import { RefusalMemo } from '../../../src/controlplane/scheduler/refusal-memo.ts'
import { filtersOf, wakePods } from '../../../src/controlplane/scheduler/wake-pods.ts'
import { node, place, podInfo } from './objects.ts'

describe('waking pods', () => {
  let state: ClusterState
  let queue: SchedulingQueue
  let memo: RefusalMemo
  beforeEach(() => {
    state = new ClusterState()
    queue = new SchedulingQueue(new VirtualClock(0), () => undefined)
    memo = new RefusalMemo()
  })
  afterEach(() => queue.close())

  /** Has a pod refused and remembered. */
  const refuse = (pod: PodInfo): void => {
    queue.set(pod, false)
    const queued = queue.pop()!
    const decision = decide(pod, state, { start: 0, random: () => 0 })
    assert.ok(decision.kind === 'wait')
    queue.wait(queued, filtersOf(decision))
    memo.set({ pod, refusedBy: filtersOf(decision), message: pod.key })
  }
  const isWoken = (pod: PodInfo): boolean => {
    const woken = queue.counts.waiting === 0
    assert.equal(memo.get(pod) === undefined, woken, 'a refusal is forgotten just when the pod is woken')
    return woken
  }

  test('only by a change that concerns what refused them', () => {
    state.setNode(node('full'))
    const taints = [{ key: 'a', effect: 'NoSchedule' }]
    state.setNode(node('tainted', { spec: { taints } }))
    place(state, { full: [podInfo('x', { requests: { cpu: '4' } })] })
    const pod = podInfo('new', { requests: { cpu: '1' } })
    refuse(pod)
    const standing = podInfo('y')
    wakePods({ kind: 'podAdded', pod: standing, node: state.node('full')! }, queue, memo, state)
    assert.equal(isWoken(pod), false)
    const previous = state.node('tainted')!.node
    const untainted = state.setNode(node('tainted'))
    wakePods({ kind: 'nodeChanged', node: untainted, previous }, queue, memo, state)
    assert.equal(isWoken(pod), true)
  })

  test('by any node when there was none', () => {
    const pod = podInfo('new')
    refuse(pod)
    wakePods({ kind: 'nodeRemoved', name: 'other' }, queue, memo, state)
    assert.equal(isWoken(pod), false)
    const first = state.setNode(node('first', { spec: { unschedulable: true } }))
    wakePods({ kind: 'nodeChanged', node: first, previous: undefined }, queue, memo, state)
    assert.equal(isWoken(pod), true)
  })

  test('by the node that a pod names', () => {
    state.setNode(node('a'))
    const required = {
      nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }],
    }
    const spec = { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } } }
    const pod = podInfo('daemon', { spec })
    refuse(pod)
    wakePods({ kind: 'nodeChanged', node: state.setNode(node('c')), previous: undefined }, queue, memo, state)
    assert.equal(isWoken(pod), false)
    wakePods({ kind: 'nodeChanged', node: state.setNode(node('b')), previous: undefined }, queue, memo, state)
    assert.equal(isWoken(pod), true)
  })
})

describe('RefusalMemo', () => {
  const known = (pod: PodInfo) => ({ pod, refusedBy: ['NodeResourcesFit'], message: 'no' })

  test('knows pods that ask the same, whatever they are called', () => {
    const memo = new RefusalMemo()
    const settings = { labels: { app: 'web' }, requests: { cpu: '1' } }
    memo.set(known(podInfo('web-1', settings)))
    assert.equal(memo.get(podInfo('web-2', settings))?.message, 'no')
  })

  const others = {
    labels: { labels: { app: 'db' } },
    requests: { requests: { cpu: '2' } },
    priority: { spec: { priority: 1 } },
    tolerations: { spec: { tolerations: [{ operator: 'Exists' }] } },
    nodeSelector: { spec: { nodeSelector: { a: 'b' } } },
    preemptionPolicy: { spec: { preemptionPolicy: 'Never' } },
    namespace: { namespace: 'other' },
    'host ports': { spec: { containers: [{ name: 'main', ports: [{ containerPort: 80, hostPort: 80 }] }] } },
  }
  for (const [name, settings] of Object.entries(others)) {
    test(`does not know a pod with other ${name}`, () => {
      const memo = new RefusalMemo()
      memo.set(known(podInfo('web-1')))
      assert.equal(memo.get(podInfo('web-2', settings)), undefined)
    })
  }
})
