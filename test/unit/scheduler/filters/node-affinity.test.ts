import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NodeSelectorTerm, PodSpec } from '../../../../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { namedNodes } from '../../../../src/controlplane/scheduler/cluster/node-selection.ts'
import { nodeAffinity } from '../../../../src/controlplane/scheduler/filters/node-affinity.ts'
import { node, pod, podInfo } from '../objects.ts'
import { refusals } from './refusals.ts'

function required(...nodeSelectorTerms: NodeSelectorTerm[]): Partial<PodSpec> {
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } }
}
const expression = (key: string, operator: string, ...values: string[]): NodeSelectorTerm => ({
  matchExpressions: [{ key, operator, ...(values.length === 0 ? {} : { values }) }],
})
const field = (operator: string, ...values: string[]): NodeSelectorTerm => ({
  matchFields: [{ key: 'metadata.name', operator, values }],
})

/** Nodes: a (disk=ssd, cores=8), b (disk=hdd, cores=16), c (neither). */
const rows: readonly { readonly name: string; readonly spec: Partial<PodSpec>; readonly fits: string }[] = [
  { name: 'nothing asked', spec: {}, fits: 'abc' },
  { name: 'nodeSelector', spec: { nodeSelector: { disk: 'ssd' } }, fits: 'a' },
  { name: 'every label of nodeSelector', spec: { nodeSelector: { disk: 'ssd', cores: '16' } }, fits: '' },
  { name: 'a label that objects inherit is none', spec: { nodeSelector: { toString: 'x' } }, fits: '' },
  { name: 'In', spec: required(expression('disk', 'In', 'ssd', 'nvme')), fits: 'a' },
  { name: 'NotIn takes nodes without the label', spec: required(expression('disk', 'NotIn', 'ssd')), fits: 'bc' },
  { name: 'Exists', spec: required(expression('disk', 'Exists')), fits: 'ab' },
  { name: 'DoesNotExist', spec: required(expression('disk', 'DoesNotExist')), fits: 'c' },
  { name: 'Gt', spec: required(expression('cores', 'Gt', '8')), fits: 'b' },
  { name: 'Lt', spec: required(expression('cores', 'Lt', '16')), fits: 'a' },
  { name: 'Gt of what is no number', spec: required(expression('disk', 'Gt', '1')), fits: '' },
  { name: 'Gt with what is no number', spec: required(expression('cores', 'Gt', 'x')), fits: '' },
  { name: 'terms are alternatives', spec: required(expression('disk', 'In', 'hdd'), field('In', 'c')), fits: 'bc' },
  {
    name: 'all expressions of a term count',
    spec: required({
      matchExpressions: [
        { key: 'disk', operator: 'Exists' },
        { key: 'cores', operator: 'Lt', values: ['10'] },
      ],
    }),
    fits: 'a',
  },
  { name: 'an empty term means no node', spec: required({}), fits: '' },
  { name: 'an empty term beside another', spec: required({}, expression('disk', 'In', 'hdd')), fits: 'b' },
  { name: 'matchFields In', spec: required(field('In', 'b')), fits: 'b' },
  { name: 'matchFields NotIn', spec: required(field('NotIn', 'b')), fits: 'ac' },
  {
    name: 'matchFields and matchExpressions of a term',
    spec: required({ ...field('In', 'a'), ...expression('disk', 'In', 'hdd') }),
    fits: '',
  },
  {
    name: 'nodeSelector and affinity together',
    spec: { ...required(expression('cores', 'Exists')), nodeSelector: { disk: 'hdd' } },
    fits: 'b',
  },
]

describe('NodeAffinity', () => {
  for (const { name, spec, fits } of rows) {
    test(name, () => {
      const state = new ClusterState()
      state.setNode(node('a', { labels: { disk: 'ssd', cores: '8' } }))
      state.setNode(node('b', { labels: { disk: 'hdd', cores: '16' } }))
      state.setNode(node('c'))
      const refused = refusals(nodeAffinity, podInfo('new', { spec }), state)
      assert.equal(['a', 'b', 'c'].filter((each) => !(each in refused)).join(''), fits)
      for (const reasons of Object.values(refused))
        assert.deepEqual(reasons, ["node(s) didn't match Pod's node affinity/selector"])
    })
  }

  test('the only nodes that are worth looking at', () => {
    const named = (spec: Partial<PodSpec>): readonly string[] | undefined => {
      const names = namedNodes(pod('new', { spec }))
      return names === undefined ? undefined : [...names]
    }
    assert.equal(named({}), undefined)
    assert.deepEqual(named(required(field('In', 'b'))), ['b'])
    assert.deepEqual(named(required(field('In', 'b'), field('In', 'c'))), ['b', 'c'])
    assert.equal(named(required(field('In', 'b'), expression('disk', 'Exists'))), undefined)
    assert.equal(named(required(field('NotIn', 'b'))), undefined)
    const contradiction = { matchFields: [...field('In', 'a').matchFields!, ...field('In', 'b').matchFields!] }
    assert.deepEqual(named(required(contradiction)), [])
  })
})
