import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PreferredSchedulingTerm, Toleration } from '../../../../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../../../../src/controlplane/scheduler/cluster/cluster-state.ts'
import type { PodInfo } from '../../../../src/controlplane/scheduler/cluster/pod-info.ts'
import { imageLocality } from '../../../../src/controlplane/scheduler/scores/image-locality.ts'
import { nodePreference } from '../../../../src/controlplane/scheduler/scores/node-preference.ts'
import { taintPreference } from '../../../../src/controlplane/scheduler/scores/taint-preference.ts'
import { node, podInfo } from '../objects.ts'
import { rating } from './rating.ts'

describe('NodeAffinity', () => {
  const prefers = (weight: number, key: string, value: string): PreferredSchedulingTerm => ({
    weight,
    preference: { matchExpressions: [{ key, operator: 'In', values: [value] }] },
  })
  const withPreferences = (...terms: PreferredSchedulingTerm[]): PodInfo =>
    podInfo('new', {
      spec: { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: terms } } },
    })
  const state = new ClusterState()
  state.setNode(node('a', { labels: { foo: 'bar' } }))
  state.setNode(node('b', { labels: { key: 'value' } }))
  state.setNode(node('c', { labels: { foo: 'bar', key: 'value', az: 'az1' } }))
  state.setNode(node('d'))

  test('says nothing about a pod without preferences', () => {
    assert.equal(rating(nodePreference, withPreferences(), state), undefined)
  })

  test('the node with the most weight gets 100, the others in proportion', () => {
    const pod = withPreferences(prefers(2, 'foo', 'bar'), prefers(4, 'key', 'value'), prefers(5, 'az', 'az1'))
    assert.deepEqual(rating(nodePreference, pod, state), { a: 18, b: 36, c: 100, d: 0 })
  })

  test('preferences that no node meets', () => {
    assert.deepEqual(rating(nodePreference, withPreferences(prefers(3, 'foo', 'x')), state), { a: 0, b: 0, c: 0, d: 0 })
  })

  test('an empty preference is met by no node', () => {
    const pod = withPreferences({ weight: 5, preference: {} }, prefers(1, 'foo', 'bar'))
    assert.deepEqual(rating(nodePreference, pod, state), { a: 100, b: 0, c: 100, d: 0 })
  })
})

describe('TaintToleration', () => {
  const soft = (key: string) => ({ key, value: 'v', effect: 'PreferNoSchedule' })
  const state = new ClusterState()
  state.setNode(node('none'))
  state.setNode(node('one', { spec: { taints: [soft('a')] } }))
  state.setNode(node('two', { spec: { taints: [soft('a'), soft('b')] } }))
  state.setNode(node('hard', { spec: { taints: [{ key: 'a', value: 'v', effect: 'NoSchedule' }] } }))
  const rate = (...tolerations: Toleration[]): Readonly<Record<string, number>> | undefined =>
    rating(taintPreference, podInfo('new', { spec: { tolerations } }), state)

  test('fewer taints that are not tolerated are better; those that keep away do not count here', () => {
    assert.deepEqual(rate(), { none: 100, one: 50, two: 0, hard: 100 })
  })

  test('tolerated taints do not count', () => {
    assert.deepEqual(rate({ key: 'a', operator: 'Exists' }), { none: 100, one: 100, two: 0, hard: 100 })
  })

  test('a toleration of another effect is none', () => {
    assert.deepEqual(rate({ key: 'a', operator: 'Exists', effect: 'NoSchedule' }), {
      none: 100,
      one: 50,
      two: 0,
      hard: 100,
    })
  })

  test('says nothing where all nodes are equal', () => {
    assert.equal(rate({ operator: 'Exists' }), undefined)
  })
})

describe('ImageLocality', () => {
  const MB = 1024 * 1024
  const pod = (...images: readonly string[]): PodInfo =>
    podInfo('new', { spec: { containers: images.map((image, i) => ({ name: `c${i}`, image })) } })
  const state = new ClusterState()
  const images = (...sizes: readonly (readonly [name: string, megabytes: number])[]) =>
    sizes.map(([name, megabytes]) => ({ names: [name], sizeBytes: megabytes * MB }))
  state.setNode(node('a', { images: images(['gcr.io/40:latest', 40], ['gcr.io/300:latest', 300]) }))
  state.setNode(node('b', { images: images(['gcr.io/250:v1', 250], ['gcr.io/10:v1', 10]) }))

  test('says nothing about images that are nowhere', () => {
    assert.equal(rating(imageLocality, pod('gcr.io/other'), state), undefined)
  })

  test('an image counts by its size, and by the share of nodes that have it', () => {
    // 100 * (250 / 2 - 23) / (2000 - 23) and 100 * (40 / 2 - 23): too small to count.
    assert.deepEqual(rating(imageLocality, pod('gcr.io/40', 'gcr.io/250:v1'), state), { a: 0, b: 5 })
    // 100 * (300 / 2 - 23) / (2000 - 23).
    assert.deepEqual(rating(imageLocality, pod('gcr.io/300', 'gcr.io/10:v1'), state), { a: 6, b: 0 })
  })

  test('an image without a tag is the latest one', () => {
    assert.deepEqual(rating(imageLocality, pod('gcr.io/300'), state), { a: 12, b: 0 })
    assert.equal(rating(imageLocality, pod('gcr.io/300:v2'), state), undefined)
  })

  test('an image that a node no longer has is forgotten', () => {
    const changing = new ClusterState()
    changing.setNode(node('a', { images: images(['big:v1', 900]) }))
    changing.setNode(node('b'))
    assert.deepEqual(rating(imageLocality, pod('big:v1'), changing), { a: 43, b: 0 })
    changing.setNode(node('a'))
    assert.equal(rating(imageLocality, pod('big:v1'), changing), undefined)
  })
})
