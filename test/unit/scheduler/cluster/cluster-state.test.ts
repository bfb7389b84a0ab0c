import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import { stateOf } from '../arbitrary-cluster.ts'
import { arbitraryStep, live } from '../arbitrary-history.ts'
import { node, place, podInfo, ZONE } from '../objects.ts'
import { summaryOf } from './state-summary.ts'

describe('ClusterState', () => {
  test('changed step by step it is the same as made from scratch', () => {
    fc.assert(
      fc.property(fc.array(arbitraryStep, { maxLength: 60, size: 'max' }), (steps) => {
        const { state, cluster } = live(steps, summaryOf)
        assert.deepEqual(summaryOf(state), summaryOf(stateOf(cluster)))
      }),
      { numRuns: 300 },
    )
  })

  test('a pod that is put elsewhere has left its old place', () => {
    const state = new ClusterState()
    for (const name of ['a', 'b']) state.setNode(node(name))
    place(state, { a: [podInfo('x', { requests: { cpu: '1' } })] })
    place(state, { b: [podInfo('x', { requests: { cpu: '2' } })] })
    assert.deepEqual([state.node('a')!.requestedCpuMilli, state.node('b')!.requestedCpuMilli], [0, 2_000])
    assert.equal(state.placeOf('default/x')?.node.name, 'b')
  })

  test('a node that comes back finds the pods that were on it', () => {
    const state = new ClusterState()
    state.setNode(node('a', { labels: { [ZONE]: 'one' } }))
    place(state, { a: [podInfo('x', { requests: { cpu: '1' } })] })
    state.removeNode('a')
    assert.deepEqual(state.nodes, [])
    assert.equal(state.node('a'), undefined)
    state.setNode(node('a'))
    assert.equal(state.node('a')?.requestedCpuMilli, 1_000)
  })

  test('numbers of a node that is gone are not those of the next', () => {
    const state = new ClusterState()
    for (let i = 0; i < 200; i++) {
      state.setNode(node(`n${i}`))
      place(state, { [`n${i}`]: [podInfo(`p${i}`, { requests: { cpu: `${i}m` } })] })
      if (i % 2 === 1) {
        state.removePod(`default/p${i}`)
        state.removeNode(`n${i}`)
      }
    }
    assert.deepEqual(
      state.nodes.map(({ name, podCount, requestedCpuMilli }) => [name, podCount, requestedCpuMilli]),
      Array.from({ length: 100 }, (_, i) => [`n${2 * i}`, 1, 2 * i]),
    )
  })

  test('a node that is gone with its pods leaves its place to the next', () => {
    const state = new ClusterState()
    for (let i = 0; i < 10; i++) {
      assert.equal(state.setNode(node(`n${i}`)).slot, 0)
      place(state, { [`n${i}`]: [podInfo('x')] })
      state.removeNode(`n${i}`)
      state.removePod('default/x')
    }
  })

  test('a new version of a pod in which nothing changed that is counted', () => {
    const state = new ClusterState()
    state.setNode(node('a'))
    const first = podInfo('x', { requests: { cpu: '1' } })
    place(state, { a: [first] })
    state.refreshPod({ ...first.pod, status: { startTime: '2026-01-01T00:00:00Z' } })
    const [known] = state.node('a')!.pods.values()
    assert.equal(known?.pod.status?.startTime, '2026-01-01T00:00:00Z')
    assert.equal(state.placeOf('default/x')?.pod, known)
    assert.equal(state.node('a')!.requestedCpuMilli, 1_000)
  })

  test('more topology keys than are kept: the forgotten ones are counted anew', () => {
    const state = new ClusterState()
    const labels = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`key-${i}`, 'x']))
    state.setNode(node('a', { labels }))
    const { selector } = podInfo('asker', {
      labels: { app: 'x' },
      spec: {
        topologySpreadConstraints: [
          { topologyKey: 'key-0', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} },
        ],
      },
    }).requiredSpread[0]!
    const tally = state.tallySelected('default', selector)
    const count = (key: string): number | undefined => {
      const topology = state.topology(key)
      return tally.byDomain(topology).get(topology.domainOf(state.node('a')!))
    }
    for (let i = 0; i < 300; i++) {
      place(state, { a: [podInfo(`p${i}`)] })
      assert.equal(count(`key-${i}`), i + 1)
    }
    assert.equal(count('key-0'), 300)
  })
})
