import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { balancedAllocation } from '../../../../src/controlplane/scheduler/scores/balanced-allocation.ts'
import { leastAllocated } from '../../../../src/controlplane/scheduler/scores/least-allocated.ts'
import type { Score } from '../../../../src/controlplane/scheduler/scores/score.ts'
import { node, place, podInfo, type Quantities } from '../objects.ts'
import { rating } from './rating.ts'

const amounts = (cpuMilli: number, memory: number): Quantities => ({ cpu: `${cpuMilli}m`, memory: `${memory}` })

interface Row {
  readonly name: string
  readonly wants: Quantities
  /** By node: what it has, and what its pods want. */
  readonly nodes: Readonly<Record<string, readonly [has: Quantities, ...taken: Quantities[]]>>
  readonly scores: Readonly<Record<string, number>> | undefined
}

function check(score: Score, rows: readonly Row[]): void {
  for (const { name, wants, nodes, scores } of rows) {
    test(name, () => {
      const state = new ClusterState()
      for (const [nodeName, [has, ...taken]] of Object.entries(nodes)) {
        state.setNode(node(nodeName, { allocatable: { ...has, pods: '100' } }))
        place(state, { [nodeName]: taken.map((requests, i) => podInfo(`${nodeName}-${i}`, { requests })) })
      }
      assert.deepEqual(rating(score, podInfo('new', { requests: wants }), state), scores)
    })
  }
}

describe('NodeResourcesFit, least allocated', () => {
  check(leastAllocated, [
    {
      name: 'nothing asked, nothing taken',
      wants: amounts(0, 0),
      nodes: { a: [amounts(4_000, 10_000)], b: [amounts(4_000, 10_000)] },
      scores: { a: 100, b: 100 },
    },
    {
      // CPU 25, memory 50; both 50.
      name: 'nodes of different size',
      wants: amounts(3_000, 5_000),
      nodes: { a: [amounts(4_000, 10_000)], b: [amounts(6_000, 10_000)] },
      scores: { a: 37, b: 50 },
    },
    {
      // CPU 40, memory 100 and 75.
      name: 'pods stand there already',
      wants: amounts(0, 0),
      nodes: {
        a: [amounts(10_000, 20_000), amounts(3_000, 0), amounts(3_000, 0)],
        b: [amounts(10_000, 20_000), amounts(3_000, 0), amounts(3_000, 5_000)],
      },
      scores: { a: 70, b: 57 },
    },
    {
      name: 'what the pod asks counts as taken',
      wants: amounts(3_000, 5_000),
      nodes: {
        a: [amounts(10_000, 20_000), amounts(3_000, 0)],
        b: [amounts(10_000, 20_000), amounts(3_000, 5_000)],
      },
      scores: { a: 57, b: 45 },
    },
    {
      name: 'more than the node has is worth nothing, not less',
      wants: amounts(0, 0),
      nodes: { a: [amounts(4_000, 10_000), amounts(6_000, 5_000)] },
      scores: { a: 25 },
    },
    {
      name: 'a resource that the node does not have is left out',
      wants: amounts(1_000, 5_000),
      nodes: { a: [{ cpu: '4', memory: '0' }], b: [{ cpu: '0', memory: '0' }] },
      scores: { a: 75, b: 0 },
    },
    {
      // Counts as 100m and 200Mi: CPU 90, memory 80.
      name: 'a pod that asks for nothing counts as if it asked for a little',
      wants: {},
      nodes: { a: [{ cpu: '1', memory: '1000Mi' }] },
      scores: { a: 85 },
    },
    {
      name: 'so do those that stand there',
      wants: {},
      nodes: { a: [{ cpu: '1', memory: '1000Mi' }, {}] },
      scores: { a: 70 },
    },
  ])
})

describe('NodeResourcesBalancedAllocation', () => {
  check(balancedAllocation, [
    {
      name: 'says nothing about a pod that asks for nothing',
      wants: {},
      nodes: { a: [amounts(4_000, 10_000)] },
      scores: undefined,
    },
    {
      // 0.75 and 0.5 taken is worth 87, empty 100: 50 + (50 - 13) / 2. Equal shares stay equal: 75.
      name: 'nodes of different size',
      wants: amounts(3_000, 5_000),
      nodes: { a: [amounts(4_000, 10_000)], b: [amounts(6_000, 10_000)] },
      scores: { a: 68, b: 75 },
    },
    {
      // From (1, 0), worth 50, to (1, 1), worth 100, and the other way round.
      name: 'from quite unbalanced to balanced, and back',
      wants: amounts(0, 10_000),
      nodes: { a: [amounts(4_000, 10_000), amounts(4_000, 0)], b: [amounts(4_000, 10_000)] },
      scores: { a: 100, b: 50 },
    },
    {
      // CPU is full already and the more of it changes nothing; memory 0 to 0.5.
      name: 'more than the node has counts as all of it',
      wants: amounts(4_000, 5_000),
      nodes: { a: [amounts(4_000, 10_000), amounts(8_000, 0)] },
      scores: { a: 87 },
    },
    {
      name: 'a node with one resource alone is always balanced',
      wants: amounts(1_000, 0),
      nodes: { a: [{ cpu: '4', memory: '0' }] },
      scores: { a: 75 },
    },
  ])
})
