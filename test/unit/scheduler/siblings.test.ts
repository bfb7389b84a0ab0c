import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ReplicaSet } from '../../../src/api/types/apps-v1.gen.ts'
import type { Service } from '../../../src/api/types/core-v1.gen.ts'
import { serviceBuckets, siblingsOf } from '../../../src/controlplane/scheduler/siblings.ts'
import { type Labels, type PodSettings, podInfo } from './objects.ts'

function service(selector: Labels | undefined, namespace = 'default'): Service {
  return { metadata: { namespace, name: 'service' }, spec: selector === undefined ? {} : { selector: { ...selector } } }
}
const replicaSet = (matchLabels: Record<string, string>): ReplicaSet => ({
  metadata: { namespace: 'default', name: 'owner' },
  spec: { selector: { matchLabels }, template: { metadata: { labels: matchLabels }, spec: { containers: [] } } },
})
const owned: PodSettings['metadata'] = {
  ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'owner', uid: '1', controller: true }],
}

/** What the siblings of a pod `app=web, tier=front` are, given Services and the ReplicaSet named `owner`. */
function siblings(services: readonly Service[], owner?: ReplicaSet, metadata?: PodSettings['metadata']) {
  const info = podInfo('web', { labels: { app: 'web', tier: 'front' } })
  const pod =
    metadata === undefined ? info : { ...info, pod: { ...info.pod, metadata: { ...info.pod.metadata, ...metadata } } }
  return siblingsOf(pod, {
    services: (bucket) => services.filter((each) => serviceBuckets(each).includes(bucket)),
    replicaSet: (_, name) => (name === 'owner' ? owner : undefined),
  })
}

describe('siblings', () => {
  test('of a pod that nothing selects there are none', () => {
    assert.equal(siblings([]), undefined)
    assert.equal(
      siblings([service(undefined), service({}), service({ app: 'db' }), service({ app: 'web', a: 'b' })]),
      undefined,
    )
  })

  test('are the pods of its Service', () => {
    const selector = siblings([service({ tier: 'front', app: 'web' })])!
    assert.equal(selector.matches({ app: 'web', tier: 'front', more: '1' }), true)
    assert.equal(selector.matches({ app: 'web' }), false)
  })

  test('are not those of a Service in another namespace', () => {
    assert.equal(siblings([service({ app: 'web' }, 'other')]), undefined)
  })

  test('are pods that all its Services and its ReplicaSet select', () => {
    const both = [service({ app: 'web' }), service({ tier: 'front' })]
    const selector = siblings(both, replicaSet({ hash: '1' }), owned)!
    assert.equal(selector.matches({ app: 'web', tier: 'front', hash: '1' }), true)
    for (const missing of ['app', 'tier', 'hash']) {
      const labels = Object.fromEntries(
        Object.entries({ app: 'web', tier: 'front', hash: '1' }).filter(([key]) => key !== missing),
      )
      assert.equal(selector.matches(labels), false, `without ${missing}`)
    }
  })

  test('are those of the ReplicaSet when there is no Service', () => {
    assert.equal(siblings([], replicaSet({ app: 'web' }), owned)?.matches({ app: 'web' }), true)
    assert.equal(siblings([], undefined, owned), undefined)
    assert.equal(siblings([], replicaSet({ app: 'web' })), undefined)
  })
})
