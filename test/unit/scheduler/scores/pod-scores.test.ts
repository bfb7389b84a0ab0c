import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Affinity, TopologySpreadConstraint } from '../../../../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import type { PodInfo } from '../../../../src/controlplane/scheduler/cluster/pod-info.ts'
import { podSelectorOfMap } from '../../../../src/controlplane/scheduler/cluster/pod-selector.ts'
import { podPreference } from '../../../../src/controlplane/scheduler/scores/pod-preference.ts'
import { spreadPreference } from '../../../../src/controlplane/scheduler/scores/spread-preference.ts'
import { HOSTNAME, type Labels, node, place, podInfo, ZONE } from '../objects.ts'
import { rating } from './rating.ts'

function fill(state: ClusterState, counts: Readonly<Record<string, number>>, labels: Labels): void {
  for (const [name, count] of Object.entries(counts)) {
    for (let i = 0; i < count; i++) place(state, { [name]: [podInfo(`${name}-${i}`, { labels })] })
  }
}

describe('PodTopologySpread', () => {
  const FOO = { foo: '' }
  const soft = (topologyKey: string, parts: Partial<TopologySpreadConstraint> = {}): TopologySpreadConstraint => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchExpressions: [{ key: 'foo', operator: 'Exists' }] },
    ...parts,
  })
  const spread = (...topologySpreadConstraints: TopologySpreadConstraint[]): PodInfo =>
    podInfo('new', { labels: FOO, spec: { topologySpreadConstraints } })
  const zones = (): ClusterState => {
    const state = new ClusterState()
    for (const name of ['a', 'b']) state.setNode(node(name, { labels: { [ZONE]: 'zone-1' } }))
    for (const name of ['x', 'y']) state.setNode(node(name, { labels: { [ZONE]: 'zone-2' } }))
    return state
  }

  test('says nothing without a constraint that asks for it', () => {
    assert.equal(rating(spreadPreference, spread(), zones()), undefined)
    assert.equal(
      rating(spreadPreference, spread(soft(ZONE, { whenUnsatisfiable: 'DoNotSchedule' })), zones()),
      undefined,
    )
  })

  test('the same number everywhere', () => {
    const state = zones()
    fill(state, { a: 1, b: 1, x: 1, y: 1 }, FOO)
    assert.deepEqual(rating(spreadPreference, spread(soft(HOSTNAME)), state), { a: 100, b: 100, x: 100, y: 100 })
  })

  test('nodes 2/1/0/3', () => {
    const state = zones()
    fill(state, { a: 2, b: 1, y: 3 }, FOO)
    assert.deepEqual(rating(spreadPreference, spread(soft(HOSTNAME)), state), { a: 20, b: 60, x: 100, y: 0 })
  })

  test('a larger skew makes differences smaller', () => {
    const state = zones()
    fill(state, { a: 2, b: 1, y: 3 }, FOO)
    // Costs 3.58, 1.79, 0 and 5.38, each with 1 more: 5, 3, 1 and 6.
    assert.deepEqual(rating(spreadPreference, spread(soft(HOSTNAME, { maxSkew: 2 })), state), {
      a: 33,
      b: 66,
      x: 100,
      y: 16,
    })
  })

  test('zones, where nodes that cannot take the pod count too', () => {
    const state = zones()
    fill(state, { a: 2, b: 1, y: 1 }, FOO)
    // 3 * ln 4 = 4.16 and 1 * ln 4 = 1.39.
    assert.deepEqual(rating(spreadPreference, spread(soft(ZONE)), state, ['a', 'x']), { a: 25, x: 100 })
  })

  test('a node that lacks a label gets nothing, and the others are rated without it', () => {
    const state = zones()
    state.setNode(node('nowhere'))
    fill(state, { a: 1, nowhere: 5 }, FOO)
    assert.deepEqual(rating(spreadPreference, spread(soft(ZONE)), state, ['a', 'x', 'nowhere']), {
      a: 0,
      x: 100,
      nowhere: 0,
    })
  })

  test('only nodes that the pod may go to count', () => {
    const state = zones()
    fill(state, { a: 3, x: 1 }, FOO)
    const spec = { topologySpreadConstraints: [soft(ZONE)], nodeSelector: { [HOSTNAME]: 'b' } }
    // Pods on node a are not seen: zone 1 has none.
    assert.deepEqual(rating(spreadPreference, podInfo('new', { labels: FOO, spec }), state, ['b']), { b: 100 })
    const ignoring = { ...spec, topologySpreadConstraints: [soft(ZONE, { nodeAffinityPolicy: 'Ignore' })] }
    const pod = podInfo('new', { labels: FOO, spec: ignoring })
    assert.deepEqual(rating(spreadPreference, pod, state, ['b', 'x']), { b: 25, x: 100 })
  })

  test('pods of a Service spread over nodes and zones without saying so', () => {
    const state = new ClusterState(() => podSelectorOfMap(FOO))
    for (const name of ['a', 'b']) state.setNode(node(name, { labels: { [ZONE]: 'zone-1' } }))
    state.setNode(node('x', { labels: { [ZONE]: 'zone-2' } }))
    fill(state, { a: 1 }, FOO)
    // Costs: hostname ln 5 a pod with 2 more, zone ln 4 a pod with 4 more: 9, 7 and 6.
    assert.deepEqual(rating(spreadPreference, podInfo('new', { labels: FOO }), state), { a: 66, b: 88, x: 100 })
    const itself = spread(soft(ZONE, { labelSelector: { matchLabels: { bar: '' } } }))
    assert.deepEqual(rating(spreadPreference, itself, state), { a: 100, b: 100, x: 100 })
  })

  test('by default a node without a zone is rated by its host alone', () => {
    const state = new ClusterState(() => podSelectorOfMap(FOO))
    state.setNode(node('a', { labels: { [ZONE]: 'zone-1' } }))
    state.setNode(node('b'))
    // 2 + 4 = 6 for a, 2 for b: least 2, most 6.
    assert.deepEqual(rating(spreadPreference, podInfo('new', { labels: FOO }), state), { a: 33, b: 100 })
  })
})

describe('InterPodAffinity', () => {
  const near = (app: string, weight: number, topologyKey = ZONE) => ({
    weight,
    podAffinityTerm: { topologyKey, labelSelector: { matchLabels: { app } } },
  })
  const prefers = (...terms: ReturnType<typeof near>[]): Affinity => ({
    podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: terms },
  })
  const avoids = (...terms: ReturnType<typeof near>[]): Affinity => ({
    podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: terms },
  })
  const app = (name: string, affinity?: Affinity): PodInfo =>
    podInfo(`${name}-pod`, { labels: { app: name }, ...(affinity === undefined ? {} : { spec: { affinity } }) })
  const state = (pods: Parameters<typeof place>[1]): ClusterState => {
    const made = new ClusterState()
    made.setNode(node('a', { labels: { [ZONE]: 'zone-1' } }))
    made.setNode(node('b', { labels: { [ZONE]: 'zone-1' } }))
    made.setNode(node('x', { labels: { [ZONE]: 'zone-2' } }))
    place(made, pods)
    return made
  }

  test('says nothing where nobody is near', () => {
    assert.equal(rating(podPreference, app('web', prefers(near('db', 5))), state({})), undefined)
    assert.equal(rating(podPreference, app('web'), state({ a: [app('db')] })), undefined)
  })

  test('the zone of a pod to be near to is best', () => {
    const pod = app('web', prefers(near('db', 5)))
    assert.deepEqual(rating(podPreference, pod, state({ a: [app('db')] })), { a: 100, b: 100, x: 0 })
  })

  test('weights add up', () => {
    const pod = app('web', prefers(near('db', 3), near('cache', 2, HOSTNAME)))
    const cluster = state({ a: [app('db')], b: [app('cache')] })
    assert.deepEqual(rating(podPreference, pod, cluster), { a: 60, b: 100, x: 0 })
  })

  test('each pod counts', () => {
    const pod = app('web', prefers(near('db', 1, HOSTNAME)))
    const db = (i: number): PodInfo => podInfo(`db-${i}`, { labels: { app: 'db' } })
    const cluster = state({ a: [db(1), db(2), db(3)], b: [db(4)] })
    assert.deepEqual(rating(podPreference, pod, cluster), { a: 100, b: 33, x: 0 })
  })

  test('the place of a pod to stay away from is worst', () => {
    const pod = app('web', avoids(near('db', 5, HOSTNAME)))
    assert.deepEqual(rating(podPreference, pod, state({ a: [app('db')] })), { a: 0, b: 100, x: 100 })
  })

  test('pods that stand already are asked, too', () => {
    const fond = state({ x: [app('db', prefers(near('web', 5)))] })
    assert.deepEqual(rating(podPreference, app('web'), fond), { a: 0, b: 0, x: 100 })
    const averse = state({ x: [app('db', avoids(near('web', 5)))] })
    assert.deepEqual(rating(podPreference, app('web'), averse), { a: 100, b: 100, x: 0 })
  })

  test('a required term of a standing pod weighs one', () => {
    const required: Affinity = {
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [near('web', 0, HOSTNAME).podAffinityTerm] },
    }
    const cluster = state({ a: [app('db', required)], x: [app('cache', prefers(near('web', 2)))] })
    assert.deepEqual(rating(podPreference, app('web'), cluster), { a: 50, b: 0, x: 100 })
  })
})
