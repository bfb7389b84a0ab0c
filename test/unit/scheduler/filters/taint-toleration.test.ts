import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Taint, Toleration } from '../../../../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { nodeUnschedulable } from '../../../../src/controlplane/scheduler/filters/node-unschedulable.ts'
import { taintToleration } from '../../../../src/controlplane/scheduler/filters/taint-toleration.ts'
import { node, podInfo } from '../objects.ts'
import { refusals } from './refusals.ts'

const dedicated = (effect: string, value = 'db'): Taint => ({ key: 'dedicated', value, effect })

const rows: readonly {
  readonly name: string
  readonly taints: readonly Taint[]
  readonly tolerations: readonly Toleration[]
  readonly passes: boolean
}[] = [
  { name: 'no taint', taints: [], tolerations: [], passes: true },
  { name: 'NoSchedule', taints: [dedicated('NoSchedule')], tolerations: [], passes: false },
  { name: 'NoExecute', taints: [dedicated('NoExecute')], tolerations: [], passes: false },
  {
    name: 'PreferNoSchedule keeps nobody away',
    taints: [dedicated('PreferNoSchedule')],
    tolerations: [],
    passes: true,
  },
  {
    name: 'the same key, value and effect',
    taints: [dedicated('NoSchedule')],
    tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'db', effect: 'NoSchedule' }],
    passes: true,
  },
  {
    name: 'Equal is what is meant without an operator',
    taints: [dedicated('NoSchedule')],
    tolerations: [{ key: 'dedicated', value: 'db' }],
    passes: true,
  },
  {
    name: 'another value',
    taints: [dedicated('NoSchedule')],
    tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'web' }],
    passes: false,
  },
  {
    name: 'another effect',
    taints: [dedicated('NoSchedule')],
    tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoExecute' }],
    passes: false,
  },
  {
    name: 'Exists takes any value',
    taints: [dedicated('NoExecute', 'anything')],
    tolerations: [{ key: 'dedicated', operator: 'Exists' }],
    passes: true,
  },
  {
    name: 'Exists without a key takes everything',
    taints: [dedicated('NoExecute'), { key: 'other', effect: 'NoSchedule' }],
    tolerations: [{ operator: 'Exists' }],
    passes: true,
  },
  {
    name: 'every taint has to be tolerated',
    taints: [dedicated('NoSchedule'), { key: 'other', effect: 'NoSchedule' }],
    tolerations: [{ key: 'dedicated', operator: 'Exists' }],
    passes: false,
  },
  {
    name: 'a taint without a value',
    taints: [{ key: 'dedicated', effect: 'NoSchedule' }],
    tolerations: [{ key: 'dedicated', operator: 'Equal' }],
    passes: true,
  },
  {
    name: 'Gt compares numbers',
    taints: [{ key: 'sla', value: '950', effect: 'NoSchedule' }],
    tolerations: [{ key: 'sla', operator: 'Gt', value: '900' }],
    passes: true,
  },
  {
    name: 'Lt compares numbers',
    taints: [{ key: 'sla', value: '950', effect: 'NoSchedule' }],
    tolerations: [{ key: 'sla', operator: 'Lt', value: '900' }],
    passes: false,
  },
  {
    name: 'Gt of what is no number',
    taints: [{ key: 'sla', value: 'high', effect: 'NoSchedule' }],
    tolerations: [{ key: 'sla', operator: 'Gt', value: '900' }],
    passes: false,
  },
]

describe('TaintToleration', () => {
  for (const { name, taints, tolerations, passes } of rows) {
    test(name, () => {
      const state = new ClusterState()
      state.setNode(node('one', { spec: { taints } }))
      const refused = refusals(taintToleration, podInfo('new', { spec: { tolerations } }), state)
      assert.deepEqual(refused, passes ? {} : { one: ['node(s) had untolerated taint(s)'] })
    })
  }
})

describe('NodeUnschedulable', () => {
  test('a cordoned node takes only pods that tolerate it', () => {
    const state = new ClusterState()
    state.setNode(node('open'))
    state.setNode(node('cordoned', { spec: { unschedulable: true } }))
    assert.deepEqual(refusals(nodeUnschedulable, podInfo('new'), state), { cordoned: ['node(s) were unschedulable'] })
    const tolerations = [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' }]
    assert.deepEqual(refusals(nodeUnschedulable, podInfo('daemon', { spec: { tolerations } }), state), {})
  })
})
