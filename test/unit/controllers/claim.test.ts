import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labelMatcherOf } from '../../../src/api/label-selector.ts'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import { planClaims } from '../../../src/controlplane/controllers/claim.ts'
import { ago, frozen, pod, replicaSet } from './objects.ts'

const owner = replicaSet('web', 3)
const matcher = labelMatcherOf(owner.spec?.selector)
const reference = (uid: string, controller = true) => [
  { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid, ...(controller ? { controller } : {}) },
]
const fits = { labels: { app: 'web' } }
const candidates = frozen<Pod[]>([
  pod('owned', { metadata: { ...fits, ownerReferences: reference('uid-web') } }),
  pod('strayed', { metadata: { labels: { app: 'db' }, ownerReferences: reference('uid-web') } }),
  pod('bare', { metadata: fits }),
  pod('named-only', { metadata: { ...fits, ownerReferences: reference('uid-web', false) } }),
  pod('bare-leaving', { metadata: { ...fits, deletionTimestamp: ago(1) } }),
  pod('of-another', { metadata: { ...fits, ownerReferences: reference('uid-other') } }),
  pod('unrelated', { metadata: { labels: { app: 'db' } } }),
])

function names(pods: readonly Pod[]): readonly (string | undefined)[] {
  return pods.map(({ metadata }) => metadata?.name)
}

test('an owner keeps what fits, adopts what nobody manages and lets go of what no longer fits', () => {
  const { owned, adopt, release } = planClaims(owner, matcher, candidates)
  assert.deepEqual(names(owned), ['owned'])
  assert.deepEqual(names(adopt), ['bare', 'named-only'])
  assert.deepEqual(names(release), ['strayed'])
})

test('an owner that is being deleted takes and lets go of nothing', () => {
  const leaving = { ...owner, metadata: { ...owner.metadata, deletionTimestamp: ago(1) } }
  const { owned, adopt, release } = planClaims(leaving, matcher, candidates)
  assert.deepEqual(names(owned), ['owned', 'strayed'])
  assert.deepEqual([adopt, release], [[], []])
})
