import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PodSpec, Taint, TopologySpreadConstraint } from '../../../../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { podTopologySpread } from '../../../../src/controlplane/scheduler/filters/pod-topology-spread.ts'
import { HOSTNAME, node, type PodSettings, place, podInfo, ZONE } from '../objects.ts'
import { refusals, refusedNodes } from './refusals.ts'

const FOO = { foo: '' }

function constraint(parts: Partial<TopologySpreadConstraint> = {}): TopologySpreadConstraint {
  return {
    maxSkew: 1,
    topologyKey: ZONE,
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchExpressions: [{ key: 'foo', operator: 'Exists' }] },
    ...parts,
  }
}

/** Zone 1 has nodes a and b, zone 2 has x and y. */
function twoZones(): ClusterState {
  const state = new ClusterState()
  for (const name of ['a', 'b']) state.setNode(node(name, { labels: { [ZONE]: 'zone-1' } }))
  for (const name of ['x', 'y']) state.setNode(node(name, { labels: { [ZONE]: 'zone-2' } }))
  return state
}

function fill(state: ClusterState, counts: Readonly<Record<string, number>>, settings: PodSettings = {}): void {
  for (const [name, count] of Object.entries(counts)) {
    for (let i = 0; i < count; i++) {
      const suffix = Object.values(settings.labels ?? {}).join('-')
      place(state, { [name]: [podInfo(`${name}-${i}-${suffix}`, { labels: FOO, ...settings })] })
    }
  }
}

interface Row {
  readonly name: string
  readonly counts: Readonly<Record<string, number>>
  readonly constraints: readonly TopologySpreadConstraint[]
  readonly labels?: Readonly<Record<string, string>>
  readonly spec?: Partial<PodSpec>
  readonly refused: readonly string[]
}

const rows: readonly Row[] = [
  { name: 'no pod yet', counts: {}, constraints: [constraint()], refused: [] },
  { name: 'zones 3/3', counts: { a: 2, b: 1, y: 3 }, constraints: [constraint()], refused: [] },
  { name: 'zones 3/2', counts: { a: 2, b: 1, y: 2 }, constraints: [constraint()], refused: ['a', 'b'] },
  {
    name: 'zones 3/2 with a skew of two',
    counts: { a: 2, b: 1, y: 2 },
    constraints: [constraint({ maxSkew: 2 })],
    refused: [],
  },
  {
    name: 'a pod that its own constraint does not select adds nothing',
    counts: { a: 2, y: 1 },
    constraints: [constraint()],
    labels: { bar: '' },
    refused: [],
  },
  {
    name: 'nodes 2/1/0/3',
    counts: { a: 2, b: 1, y: 3 },
    constraints: [constraint({ topologyKey: HOSTNAME })],
    refused: ['a', 'b', 'y'],
  },
  {
    name: 'only nodes that the pod may go to count',
    counts: { a: 2, b: 1, y: 0 },
    constraints: [constraint({ topologyKey: HOSTNAME })],
    spec: { nodeSelector: { [ZONE]: 'zone-1' } },
    refused: ['a'],
  },
  {
    name: 'all nodes count when the policy ignores affinity',
    counts: { a: 2, b: 1 },
    constraints: [constraint({ topologyKey: HOSTNAME, nodeAffinityPolicy: 'Ignore' })],
    spec: { nodeSelector: { [ZONE]: 'zone-1' } },
    refused: ['a', 'b'],
  },
  {
    name: 'fewer domains than there should be count as if one were empty',
    counts: { a: 1, x: 1 },
    constraints: [constraint({ minDomains: 3 })],
    refused: ['a', 'b', 'x', 'y'],
  },
  { name: 'enough domains', counts: { a: 1, x: 1 }, constraints: [constraint({ minDomains: 2 })], refused: [] },
  {
    name: 'two constraints refuse what either does',
    counts: { a: 2, b: 1, x: 1, y: 2 },
    constraints: [constraint(), constraint({ topologyKey: HOSTNAME })],
    refused: ['a', 'y'],
  },
  {
    name: 'two constraints that leave no node',
    counts: { a: 1, b: 1, x: 1 },
    constraints: [constraint({ topologyKey: ZONE }), constraint({ topologyKey: HOSTNAME })],
    refused: ['a', 'b', 'x'],
  },
  {
    name: 'ScheduleAnyway refuses nothing',
    counts: { a: 5 },
    constraints: [constraint({ whenUnsatisfiable: 'ScheduleAnyway' })],
    refused: [],
  },
  {
    name: 'a selector that is missing selects nothing',
    counts: { a: 5 },
    constraints: [constraint({ labelSelector: undefined as never })],
    refused: [],
  },
  {
    name: 'an empty selector selects every pod',
    counts: { a: 1 },
    constraints: [constraint({ labelSelector: {} })],
    refused: ['a', 'b'],
  },
]

describe('PodTopologySpread', () => {
  for (const { name, counts, constraints, labels = FOO, spec = {}, refused } of rows) {
    test(name, () => {
      const state = twoZones()
      fill(state, counts)
      const pod = podInfo('new', { labels, spec: { ...spec, topologySpreadConstraints: [...constraints] } })
      assert.deepEqual(refusedNodes(podTopologySpread, pod, state), refused)
    })
  }

  const spec = { topologySpreadConstraints: [constraint()] }
  const pod = podInfo('new', { labels: FOO, spec })

  test('a node without the label can take no such pod, and its pods count for nobody', () => {
    const state = twoZones()
    state.setNode(node('nowhere'))
    fill(state, { nowhere: 3, a: 1 })
    assert.deepEqual(refusals(podTopologySpread, pod, state), {
      a: ["node(s) didn't match pod topology spread constraints"],
      b: ["node(s) didn't match pod topology spread constraints"],
      nowhere: ["node(s) didn't match pod topology spread constraints (missing required label)"],
    })
  })

  test('with several constraints a node counts only when it has all their labels', () => {
    const state = twoZones()
    state.setNode(node('z', { labels: { [ZONE]: 'zone-3' } }))
    fill(state, { a: 1, b: 1, x: 1, y: 1 })
    const rack = constraint({ topologyKey: 'rack' })
    const both = podInfo('new', { labels: FOO, spec: { topologySpreadConstraints: [constraint(), rack] } })
    for (const name of ['a', 'b']) state.setNode(node(name, { labels: { [ZONE]: 'zone-1', rack: name } }))
    // Zone 3 is empty but has no rack; with it the least would be 0 and zone 1 two too many.
    assert.deepEqual(refusedNodes(podTopologySpread, both, state), ['x', 'y', 'z'])
  })

  test('taints make nodes not count where the policy honours them', () => {
    const state = twoZones()
    for (const name of ['x', 'y']) {
      const taints = [{ key: 'dedicated', effect: 'NoSchedule' }]
      state.setNode(node(name, { labels: { [ZONE]: 'zone-2' }, spec: { taints } }))
    }
    fill(state, { a: 1 })
    assert.deepEqual(refusedNodes(podTopologySpread, pod, state), ['a', 'b'])
    const honoring = { topologySpreadConstraints: [constraint({ nodeTaintsPolicy: 'Honor' })] }
    assert.deepEqual(refusedNodes(podTopologySpread, podInfo('new', { labels: FOO, spec: honoring }), state), [])
    const tolerations = [{ key: 'dedicated', operator: 'Exists' }]
    const tolerant = podInfo('new', { labels: FOO, spec: { ...honoring, tolerations } })
    assert.deepEqual(refusedNodes(podTopologySpread, tolerant, state), ['a', 'b'])
  })

  test('pods of another namespace and pods that are ending do not count', () => {
    const state = twoZones()
    fill(state, { a: 3 }, { namespace: 'other' })
    place(state, {
      b: [podInfo('ending', { labels: FOO, metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } })],
    })
    assert.deepEqual(refusedNodes(podTopologySpread, pod, state), [])
  })

  test('matchLabelKeys counts only pods of the same revision', () => {
    const state = twoZones()
    fill(state, { a: 2 }, { labels: { foo: '', 'pod-template-hash': 'old' } })
    fill(state, { x: 1 }, { labels: { foo: '', 'pod-template-hash': 'new' } })
    const topologySpreadConstraints = [constraint({ matchLabelKeys: ['pod-template-hash', 'absent'] })]
    const labels = { foo: '', 'pod-template-hash': 'new' }
    const next = podInfo('next', { labels, spec: { topologySpreadConstraints } })
    assert.deepEqual(refusedNodes(podTopologySpread, next, state), ['x', 'y'])
  })

  test('which nodes count is known anew when one comes, changes or goes', () => {
    const state = twoZones()
    fill(state, { a: 1 })
    const topologySpreadConstraints = [constraint({ nodeTaintsPolicy: 'Honor' })]
    const aware = podInfo('new', { labels: FOO, spec: { nodeSelector: { disk: 'ssd' }, topologySpreadConstraints } })
    const refused = (): readonly string[] => refusedNodes(podTopologySpread, aware, state)
    const set = (name: string, zone: string, taints: readonly Taint[] = [], disk = 'ssd'): void =>
      void state.setNode(node(name, { labels: { [ZONE]: zone, disk }, spec: { taints } }))
    // No node counts, so that the least is 0, and no pod is counted either.
    assert.deepEqual(refused(), [])
    set('a', 'zone-1')
    assert.deepEqual(refused(), [])
    set('x', 'zone-2')
    assert.deepEqual(refused(), ['a', 'b'])
    set('x', 'zone-2', [{ key: 'dedicated', effect: 'NoSchedule' }])
    assert.deepEqual(refused(), [])
    set('z', 'zone-3')
    assert.deepEqual(refused(), ['a', 'b'])
    state.removeNode('z')
    assert.deepEqual(refused(), [])
    set('x', 'zone-2')
    set('x', 'zone-2', [], 'hdd')
    assert.deepEqual(refused(), [])
  })
})
