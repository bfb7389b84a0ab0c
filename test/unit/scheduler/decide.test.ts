import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NodeSelectorTerm } from '../../../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { type Decision, decide } from '../../../src/controlplane/scheduler/decide.ts'
import { unschedulableMessage } from '../../../src/controlplane/scheduler/unschedulable-message.ts'
import { node, place, podInfo, ZONE } from './objects.ts'

const first = { start: 0, random: () => 0 }

function nodeOf(decision: Decision): string | undefined {
  return decision.kind === 'place' ? decision.node.name : undefined
}
function message(decision: Decision): string {
  assert.equal(decision.kind, 'wait')
  return decision.kind === 'wait' ? unschedulableMessage(decision, undefined) : ''
}
function named(...names: readonly string[]) {
  const nodeSelectorTerms: NodeSelectorTerm[] = names.map((name) => ({
    matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }],
  }))
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } }
}

describe('decide', () => {
  test('takes the node with most left', () => {
    const state = new ClusterState()
    for (const name of ['a', 'b', 'c']) state.setNode(node(name))
    place(state, { a: [podInfo('x', { requests: { cpu: '2' } })], c: [podInfo('y', { requests: { cpu: '1' } })] })
    assert.equal(nodeOf(decide(podInfo('new', { requests: { cpu: '1' } }), state, first)), 'b')
  })

  test('chance decides among equals, and nothing else', () => {
    const state = new ClusterState()
    for (const name of ['a', 'b', 'c', 'full']) state.setNode(node(name))
    place(state, { full: [podInfo('x', { requests: { cpu: '3' } })] })
    const at = (random: number): string | undefined =>
      nodeOf(decide(podInfo('new'), state, { start: 0, random: () => random }))
    assert.deepEqual([0, 0.33, 0.34, 0.67, 0.999].map(at), ['a', 'a', 'b', 'c', 'c'])
  })

  test('looks at as many nodes as are enough, and next time goes on from there', () => {
    const state = new ClusterState()
    for (let i = 0; i < 1_000; i++) state.setNode(node(`n${i}`, { spec: { unschedulable: i % 2 === 0 } }))
    const decision = decide(podInfo('new'), state, first)
    // 420 that can, and as many that cannot before and between them.
    assert.equal(decision.nextStart, 840)
    assert.equal(decide(podInfo('new'), state, { start: 840, random: () => 0 }).nextStart, 680)
  })

  test('zones take turns', () => {
    const state = new ClusterState()
    for (let i = 0; i < 6; i++) state.setNode(node(`n${i}`, { labels: { [ZONE]: i < 4 ? 'one' : 'two' } }))
    assert.deepEqual(
      state.nodes.map(({ name }) => name),
      ['n0', 'n4', 'n1', 'n5', 'n2', 'n3'],
    )
  })

  test('without a node', () => {
    assert.equal(message(decide(podInfo('new'), new ClusterState(), first)), 'no nodes available to schedule pods')
  })

  test('tells each reason with the number of nodes', () => {
    const state = new ClusterState()
    state.setNode(node('tainted', { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }))
    state.setNode(node('small-1', { allocatable: { cpu: '1', memory: '1Gi', pods: '10' } }))
    state.setNode(node('small-2', { allocatable: { cpu: '1', memory: '8Gi', pods: '10' } }))
    assert.equal(
      message(decide(podInfo('new', { requests: { cpu: '2', memory: '2Gi' } }), state, first)),
      '0/3 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s), 2 Insufficient cpu.',
    )
  })

  test('a pod that names its nodes is tried on no other', () => {
    const state = new ClusterState()
    for (const name of ['a', 'b', 'c']) state.setNode(node(name))
    const daemon = podInfo('daemon', { spec: named('b') })
    assert.equal(nodeOf(decide(daemon, state, first)), 'b')
    state.setNode(node('b', { spec: { unschedulable: true } }))
    assert.equal(
      message(decide(daemon, state, first)),
      "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
    )
    assert.equal(
      message(decide(podInfo('lost', { spec: named('gone') }), state, first)),
      "0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity].",
    )
  })

  test('a pod that contradicts itself', () => {
    const state = new ClusterState()
    state.setNode(node('a'))
    const matchFields = ['a', 'b'].map((name) => ({ key: 'metadata.name', operator: 'In', values: [name] }))
    const required = { nodeSelectorTerms: [{ matchFields }] }
    const spec = { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } } }
    assert.equal(
      message(decide(podInfo('new', { spec }), state, first)),
      '0/1 nodes are available: pod affinity terms conflict.',
    )
  })

  test('a node of which only pods are known is none', () => {
    const state = new ClusterState()
    place(state, { ghost: [podInfo('x')] })
    assert.equal(decide(podInfo('new'), state, first).kind, 'wait')
    state.setNode(node('ghost', { allocatable: { cpu: '1', memory: '1Gi', pods: '1' } }))
    assert.equal(message(decide(podInfo('new'), state, first)), '0/1 nodes are available: 1 Too many pods.')
  })

  test('a node on which room was made is taken, though others are better', () => {
    const state = new ClusterState()
    for (const name of ['a', 'b']) state.setNode(node(name))
    place(state, { b: [podInfo('x', { requests: { cpu: '1' } })] })
    const pod = podInfo('new', { requests: { cpu: '1' } })
    state.nominations.set(pod, 'b')
    assert.equal(nodeOf(decide(pod, state, first)), 'b')
    state.setNode(node('b', { spec: { unschedulable: true } }))
    assert.equal(nodeOf(decide(pod, state, first)), 'a')
  })

  test('room that was made is left to the pod it was made for, unless a more important one comes', () => {
    const state = new ClusterState()
    state.setNode(node('a'))
    const nominated = podInfo('nominated', { requests: { cpu: '3' }, spec: { priority: 10 } })
    state.nominations.set(nominated, 'a')
    const comes = (priority: number): string | undefined =>
      nodeOf(decide(podInfo('new', { requests: { cpu: '2' }, spec: { priority } }), state, first))
    assert.equal(comes(9), undefined)
    assert.equal(comes(10), undefined)
    assert.equal(comes(11), 'a')
    assert.equal(state.node('a')!.podCount, 0)
  })
})
