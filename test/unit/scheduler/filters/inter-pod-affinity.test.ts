import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Affinity, PodAffinityTerm } from '../../../../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import type { PodInfo } from '../../../../src/controlplane/scheduler/cluster/pod-info.ts'
import { interPodAffinity } from '../../../../src/controlplane/scheduler/filters/inter-pod-affinity.ts'
import { HOSTNAME, node, type PodSettings, place, podInfo, ZONE } from '../objects.ts'
import { refusals, refusedNodes } from './refusals.ts'

const NEAR = "node(s) didn't match pod affinity rules"
const APART = "node(s) didn't match pod anti-affinity rules"
const THEIRS = "node(s) didn't satisfy existing pods anti-affinity rules"

function term(app: string, parts: Partial<PodAffinityTerm> = {}): PodAffinityTerm {
  return { topologyKey: ZONE, labelSelector: { matchLabels: { app } }, ...parts }
}
function near(...terms: PodAffinityTerm[]): Affinity {
  return { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } }
}
function apart(...terms: PodAffinityTerm[]): Affinity {
  return { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } }
}
function app(name: string, affinity?: Affinity, settings: PodSettings = {}): PodInfo {
  const labels = { app: name, ...settings.labels }
  return podInfo(`${name}-pod`, { ...settings, labels, ...(affinity === undefined ? {} : { spec: { affinity } }) })
}

/** Zone 1 has nodes a and b, zone 2 has x, and z has no zone. */
function cluster(): ClusterState {
  const state = new ClusterState()
  for (const name of ['a', 'b']) state.setNode(node(name, { labels: { [ZONE]: 'zone-1' } }))
  state.setNode(node('x', { labels: { [ZONE]: 'zone-2' } }))
  state.setNode(node('z'))
  state.setNamespace('default', { team: 'red' })
  state.setNamespace('other', { team: 'blue' })
  return state
}

describe('InterPodAffinity', () => {
  test('a pod has to be where one is that it wants to be near to', () => {
    const state = cluster()
    place(state, { a: [app('db')] })
    assert.deepEqual(refusals(interPodAffinity, app('web', near(term('db'))), state), { x: [NEAR], z: [NEAR] })
  })

  test('nobody to be near to', () => {
    assert.deepEqual(refusedNodes(interPodAffinity, app('web', near(term('db'))), cluster()), ['a', 'b', 'x', 'z'])
  })

  test('one pod must be what all terms speak of', () => {
    const state = cluster()
    place(state, {
      a: [app('db', undefined, { labels: { tier: 'back' } })],
      x: [podInfo('db-2', { labels: { app: 'db' } })],
    })
    const both = near(term('db'), { topologyKey: ZONE, labelSelector: { matchLabels: { tier: 'back' } } })
    assert.deepEqual(refusedNodes(interPodAffinity, app('web', both), state), ['x', 'z'])
  })

  test('the first of its kind may go anywhere that has the label', () => {
    assert.deepEqual(refusals(interPodAffinity, app('web', near(term('web'))), cluster()), { z: [NEAR] })
  })

  test('the second of its kind goes where the first is', () => {
    const state = cluster()
    place(state, { x: [app('web', near(term('web')))] })
    const second = podInfo('web-2', { labels: { app: 'web' }, spec: { affinity: near(term('web')) } })
    assert.deepEqual(refusedNodes(interPodAffinity, second, state), ['a', 'b', 'z'])
  })

  test('a pod that is somewhere without the label is near to nobody', () => {
    const state = cluster()
    place(state, { z: [app('db')] })
    assert.deepEqual(refusedNodes(interPodAffinity, app('web', near(term('db'))), state), ['a', 'b', 'x', 'z'])
  })

  test('a pod stays away from whom it says', () => {
    const state = cluster()
    place(state, { a: [app('db')] })
    const host = term('db', { topologyKey: HOSTNAME })
    assert.deepEqual(refusals(interPodAffinity, app('web', apart(term('db'))), state), { a: [APART], b: [APART] })
    assert.deepEqual(refusals(interPodAffinity, app('web', apart(host)), state), { a: [APART] })
  })

  test('any one anti-affinity term is enough', () => {
    const state = cluster()
    place(state, { a: [app('db')], x: [app('cache')] })
    const pod = app('web', apart(term('db', { topologyKey: HOSTNAME }), term('cache')))
    assert.deepEqual(refusedNodes(interPodAffinity, pod, state), ['a', 'x'])
  })

  test('pods that stand already keep others away', () => {
    const state = cluster()
    place(state, { a: [app('db', apart(term('web')))] })
    assert.deepEqual(refusals(interPodAffinity, app('web'), state), { a: [THEIRS], b: [THEIRS] })
    assert.deepEqual(refusals(interPodAffinity, app('api'), state), {})
    state.removePod('default/db-pod')
    assert.deepEqual(refusals(interPodAffinity, app('web'), state), {})
  })

  test('equal terms of several pods keep away while one of them is left', () => {
    const state = cluster()
    const guard = (name: string): PodInfo =>
      podInfo(name, { labels: { app: 'db' }, spec: { affinity: apart(term('web', { topologyKey: HOSTNAME })) } })
    place(state, { a: [guard('one'), guard('two')], x: [guard('three')] })
    assert.deepEqual(refusedNodes(interPodAffinity, app('web'), state), ['a', 'x'])
    state.removePod('default/one')
    assert.deepEqual(refusedNodes(interPodAffinity, app('web'), state), ['a', 'x'])
    state.removePod('default/two')
    assert.deepEqual(refusedNodes(interPodAffinity, app('web'), state), ['x'])
  })

  const namespaceRows: readonly {
    readonly name: string
    readonly parts: Partial<PodAffinityTerm>
    readonly sees: boolean
  }[] = [
    { name: 'only its own namespace when nothing is said', parts: {}, sees: false },
    { name: 'namespaces by name', parts: { namespaces: ['other'] }, sees: true },
    { name: 'other namespaces by name', parts: { namespaces: ['default', 'third'] }, sees: false },
    { name: 'namespaces by label', parts: { namespaceSelector: { matchLabels: { team: 'blue' } } }, sees: true },
    { name: 'other labels', parts: { namespaceSelector: { matchLabels: { team: 'red' } } }, sees: false },
    { name: 'all namespaces', parts: { namespaceSelector: {} }, sees: true },
    {
      name: 'by name or by label',
      parts: { namespaces: ['other'], namespaceSelector: { matchLabels: { team: 'green' } } },
      sees: true,
    },
  ]
  for (const { name, parts, sees } of namespaceRows) {
    test(`speaks of ${name}, and so do pods that stand already`, () => {
      const state = cluster()
      place(state, { a: [app('db', undefined, { namespace: 'other' })] })
      const pod = app('web', apart(term('db', parts)))
      assert.deepEqual(refusedNodes(interPodAffinity, pod, state), sees ? ['a', 'b'] : [])
      const theirs = cluster()
      place(theirs, { a: [pod] })
      const newcomer = app('db', undefined, { namespace: 'other' })
      assert.deepEqual(refusedNodes(interPodAffinity, newcomer, theirs), sees ? ['a', 'b'] : [])
    })
  }

  test('a namespace that gets another label is seen at once', () => {
    const state = cluster()
    place(state, { a: [app('db', undefined, { namespace: 'other' })] })
    const pod = app('web', apart(term('db', { namespaceSelector: { matchLabels: { team: 'green' } } })))
    assert.deepEqual(refusedNodes(interPodAffinity, pod, state), [])
    state.setNamespace('other', { team: 'green' })
    assert.deepEqual(refusedNodes(interPodAffinity, pod, state), ['a', 'b'])
    state.setNamespace('other', undefined)
    assert.deepEqual(refusedNodes(interPodAffinity, pod, state), [])
  })

  test('a node that moves to another zone takes its pods along', () => {
    const state = cluster()
    place(state, { a: [app('db')] })
    const pod = app('web', apart(term('db')))
    assert.deepEqual(refusedNodes(interPodAffinity, pod, state), ['a', 'b'])
    state.setNode(node('a', { labels: { [ZONE]: 'zone-2' } }))
    assert.deepEqual(refusedNodes(interPodAffinity, pod, state), ['a', 'x'])
    state.removeNode('a')
    assert.deepEqual(refusedNodes(interPodAffinity, pod, state), [])
  })

  test('matchLabelKeys and mismatchLabelKeys take the values from the pod', () => {
    const state = cluster()
    place(state, {
      a: [app('db', undefined, { labels: { app: 'db', tenant: 'one' } })],
      x: [podInfo('other', { labels: { app: 'db', tenant: 'two' } })],
    })
    const from = (parts: Partial<PodAffinityTerm>): readonly string[] =>
      refusedNodes(interPodAffinity, app('web', apart(term('db', parts)), { labels: { tenant: 'one' } }), state)
    assert.deepEqual(from({ matchLabelKeys: ['tenant'] }), ['a', 'b'])
    assert.deepEqual(from({ mismatchLabelKeys: ['tenant'] }), ['x'])
    assert.deepEqual(from({ matchLabelKeys: ['absent'] }), ['a', 'b', 'x'])
  })

  test('without a selector a term speaks of nobody', () => {
    const state = cluster()
    place(state, { a: [app('db')] })
    const pod = app('web', apart({ topologyKey: ZONE }))
    assert.deepEqual(refusedNodes(interPodAffinity, pod, state), [])
  })
})
