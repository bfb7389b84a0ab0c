import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Container, PodSpec } from '../../../../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { nodeResourcesFit } from '../../../../src/controlplane/scheduler/filters/node-resources-fit.ts'
import { container, node, place, podInfo, type Quantities } from '../objects.ts'

const ALLOCATABLE = { cpu: '1', memory: '1Gi', 'ephemeral-storage': '10Gi', pods: '3', 'example.com/gpu': '2' }

interface Row {
  readonly name: string
  readonly taken?: readonly Quantities[]
  readonly wants: Quantities | Partial<PodSpec>
  readonly reasons: readonly string[] | undefined
  readonly isCurable?: boolean
}

const init = (requests: Quantities, restartPolicy?: string): Container => ({
  ...container(requests),
  ...(restartPolicy === undefined ? {} : { restartPolicy }),
})
const spec = (parts: Partial<PodSpec>): Partial<PodSpec> => parts

const rows: readonly Row[] = [
  { name: 'what is free to the last is enough', taken: [{ cpu: '400m' }], wants: { cpu: '600m' }, reasons: undefined },
  { name: 'a thousandth too much', taken: [{ cpu: '400m' }], wants: { cpu: '601m' }, reasons: ['Insufficient cpu'] },
  {
    name: 'every resource that is missing is told, in order',
    taken: [{ cpu: '1', memory: '1Gi', 'ephemeral-storage': '10Gi', 'example.com/gpu': '2' }, {}, {}],
    wants: { 'example.com/gpu': '1', 'ephemeral-storage': '1', memory: '1', cpu: '1m' },
    reasons: [
      'Too many pods',
      'Insufficient cpu',
      'Insufficient memory',
      'Insufficient example.com/gpu',
      'Insufficient ephemeral-storage',
    ],
  },
  { name: 'a pod that asks for nothing takes a place', taken: [{}, {}], wants: {}, reasons: undefined },
  { name: 'as many pods as the node may hold', taken: [{}, {}, {}], wants: {}, reasons: ['Too many pods'] },
  {
    name: 'more than the node has at all is not cured by taking pods away',
    wants: { cpu: '1001m' },
    reasons: ['Insufficient cpu'],
    isCurable: false,
  },
  {
    name: 'a resource that the node does not have',
    wants: { 'example.com/fpga': '1' },
    reasons: ['Insufficient example.com/fpga'],
    isCurable: false,
  },
  { name: 'nothing of a resource that the node does not have', wants: { 'example.com/fpga': '0' }, reasons: undefined },
  {
    name: 'a pod without requests fits on a node that is overfull',
    taken: [{ cpu: '2', memory: '2Gi' }],
    wants: {},
    reasons: undefined,
  },
  {
    name: 'init containers run one after the other',
    wants: spec({ initContainers: [init({ cpu: '1' }), init({ cpu: '1' })], containers: [container({ cpu: '500m' })] }),
    reasons: undefined,
  },
  {
    name: 'a sidecar runs beside the containers',
    wants: spec({ initContainers: [init({ cpu: '600m' }, 'Always')], containers: [container({ cpu: '500m' })] }),
    reasons: ['Insufficient cpu'],
    isCurable: false,
  },
  {
    name: 'an init container runs beside sidecars that were started before it, not beside later ones',
    wants: spec({
      initContainers: [init({ cpu: '100m' }, 'Always'), init({ cpu: '900m' }), init({ cpu: '100m' }, 'Always')],
      containers: [container({ cpu: '100m' })],
    }),
    reasons: undefined,
  },
  {
    name: 'overhead comes on top',
    wants: spec({ overhead: { cpu: '100m' }, containers: [container({ cpu: '950m' })] }),
    reasons: ['Insufficient cpu'],
    isCurable: false,
  },
  {
    name: 'a request of the whole pod stands for those of its containers',
    wants: spec({ resources: { requests: { cpu: '1' } }, containers: [container({ cpu: '2' })] }),
    reasons: undefined,
  },
]

describe('NodeResourcesFit', () => {
  for (const { name, taken = [], wants, reasons, isCurable = true } of rows) {
    test(name, () => {
      const state = new ClusterState()
      state.setNode(node('one', { allocatable: ALLOCATABLE }))
      place(state, { one: taken.map((requests, i) => podInfo(`taken-${i}`, { requests })) })
      const isSpec = 'containers' in wants
      const pod = podInfo('new', isSpec ? { spec: wants as Partial<PodSpec> } : { requests: wants as Quantities })
      const refusal = nodeResourcesFit.prepare(pod, state)?.(state.node('one')!)
      assert.deepEqual(refusal, reasons === undefined ? undefined : { reasons, isCurable })
    })
  }

  test('what a pod leaves is free again', () => {
    const state = new ClusterState()
    state.setNode(node('one', { allocatable: ALLOCATABLE }))
    place(state, { one: [podInfo('a', { requests: { cpu: '1' } })] })
    const check = nodeResourcesFit.prepare(podInfo('b', { requests: { cpu: '1' } }), state)!
    assert.notEqual(check(state.node('one')!), undefined)
    state.removePod('default/a')
    assert.equal(check(state.node('one')!), undefined)
  })
})
