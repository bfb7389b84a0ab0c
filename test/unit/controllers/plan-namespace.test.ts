import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Namespace } from '../../../src/api/types/core-v1.gen.ts'
import {
  type NamespaceObservation,
  planNamespace,
} from '../../../src/controlplane/controllers/namespace/plan-namespace.ts'
import { ago, frozen, NOW, shuffled } from './objects.ts'

function leaving(finalizers: readonly string[] = ['kubernetes']): Namespace {
  return {
    metadata: { name: 'doomed', deletionTimestamp: ago(3) },
    spec: { finalizers },
    status: { phase: 'Terminating' },
  }
}

function conditions(observed: NamespaceObservation): Readonly<Record<string, string>> {
  const { status } = planNamespace(frozen(leaving()), frozen(observed), NOW)
  assert.equal(status.phase, 'Terminating')
  const all = status.conditions ?? []
  return Object.fromEntries(
    all.map(({ type, status: value, reason, message }) => [type, `${value} ${reason}: ${message}`]),
  )
}

test('what is left is told with its count and its finalizers', () => {
  const found = conditions({
    remaining: [
      { resource: 'pods', count: 2, finalizers: { 'example.com/a': 2, 'example.com/b': 1 } },
      { resource: 'deployments.apps', count: 1, finalizers: { 'example.com/a': 1 } },
    ],
    errors: [],
  })
  assert.deepEqual(found, {
    NamespaceDeletionDiscoveryFailure: 'False ResourcesDiscovered: All resources successfully discovered',
    NamespaceDeletionGroupVersionParsingFailure: 'False ParsedGroupVersions: All legacy kube types successfully parsed',
    NamespaceDeletionContentFailure:
      'False ContentDeleted: All content successfully deleted, may be waiting on finalization',
    NamespaceContentRemaining:
      'True SomeResourcesRemain: Some resources are remaining: deployments.apps has 1 resource instances, pods. has 2 resource instances',
    NamespaceFinalizersRemaining:
      'True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/a in 3 resource instances, example.com/b in 1 resource instances',
  })
})

test('what could not be deleted is told, and holds the namespace', () => {
  const observed = { remaining: [], errors: ['b is broken', 'a is broken'] }
  assert.match(
    conditions(observed).NamespaceDeletionContentFailure ?? '',
    /^True ContentDeletionFailed: .*a is broken, b is broken$/,
  )
  assert.deepEqual(planNamespace(leaving(), observed, NOW).actions, [])
})

test('an empty namespace loses the finalizer, and others keep theirs', () => {
  const empty = { remaining: [], errors: [] }
  assert.deepEqual(planNamespace(leaving(), empty, NOW).actions, [
    { kind: 'finalize', finalizers: [], why: 'all content is gone' },
  ])
  const [action] = planNamespace(leaving(['example.com/mine', 'kubernetes']), empty, NOW).actions
  assert.deepEqual(action?.finalizers, ['example.com/mine'])
  assert.deepEqual(planNamespace(leaving(['example.com/mine']), empty, NOW).actions, [])
})

test('the same look gives the same status again, in whatever order things were found', () => {
  const remainder = fc.record({
    resource: fc.constantFrom('pods', 'services', 'deployments.apps', 'leases.coordination.k8s.io'),
    count: fc.integer({ min: 0, max: 3 }),
    finalizers: fc.dictionary(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 3 })),
  })
  const observed = fc.tuple(
    fc.uniqueArray(remainder, { selector: ({ resource }) => resource }),
    fc.array(fc.constantFrom('x', 'y')),
  )
  fc.assert(
    fc.property(
      observed.chain(([remaining, errors]) =>
        fc.tuple(fc.constant({ remaining, errors }), shuffled(remaining), shuffled(errors)),
      ),
      ([one, remaining, errors]) => {
        const first = planNamespace(leaving(), one, NOW)
        const again = planNamespace({ ...leaving(), status: first.status }, { remaining, errors }, NOW + 60_000)
        assert.deepEqual(again, first)
      },
    ),
  )
})
