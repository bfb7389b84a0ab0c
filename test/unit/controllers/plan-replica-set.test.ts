import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isPodActive } from '../../../src/api/pod-readiness.ts'
import type { ReplicaSet } from '../../../src/api/types/apps-v1.gen.ts'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import {
  planReplicaSet,
  type ReplicaSetObservation,
} from '../../../src/controlplane/controllers/replica-set/plan-replica-set.ts'
import { podFromTemplate } from '../../../src/controlplane/controllers/replica-set/pod-from-template.ts'
import { ago, frozen, NOW, pod, ready, replicaSet, shuffled } from './objects.ts'

const LABELS = { app: 'web' }
const deleting = { deletionTimestamp: ago(3) }

function seen(pods: readonly Pod[], more: Partial<ReplicaSetObservation> = {}): ReplicaSetObservation {
  return { pods, related: pods.filter(isPodActive), writesInFlight: false, ...more }
}

/** `+3` or `-a,b`: what a plan does. */
function summary(set: ReplicaSet, observed: ReplicaSetObservation): string {
  const { actions } = planReplicaSet(frozen(set), frozen(observed), NOW)
  return actions
    .map((action) =>
      action.kind === 'createPods'
        ? `+${action.count}`
        : `-${action.pods.map(({ metadata }) => metadata?.name).join(',')}`,
    )
    .join(' ')
}

const three = [pod('a'), pod('b'), pod('c')]
for (const { name, given, want } of [
  { name: 'too few pods: the missing ones are created', given: [replicaSet('web', 5), seen(three)], want: '+2' },
  { name: 'as many as wanted: nothing', given: [replicaSet('web', 3), seen(three)], want: '' },
  { name: 'none is wanted, all go', given: [replicaSet('web', 0), seen(three)], want: '-a,b,c' },
  {
    name: 'too many: those that serve least go first',
    given: [replicaSet('web', 1), seen([pod('a'), pod('b', { status: { phase: 'Pending' } }), pod('c')])],
    want: '-b,a',
  },
  {
    name: 'ended and leaving pods count for nothing',
    given: [
      replicaSet('web', 2),
      seen([
        pod('a', { status: { phase: 'Failed' } }),
        pod('b', { status: { phase: 'Succeeded' } }),
        pod('c', { metadata: deleting }),
      ]),
    ],
    want: '+2',
  },
  {
    name: 'while writes are in flight nothing is decided',
    given: [replicaSet('web', 5), seen(three, { writesInFlight: true })],
    want: '',
  },
  {
    name: 'one that is being deleted makes nothing new',
    given: [replicaSet('web', 5, { metadata: { name: 'web', ...deleting } }), seen(three)],
    want: '',
  },
  { name: 'no more than 500 at a time are created', given: [replicaSet('web', 2_000), seen([])], want: '+500' },
] as const) {
  test(name, () => assert.equal(summary(given[0], given[1]), want))
}

test('no more than 500 at a time are deleted', () => {
  const many = Array.from({ length: 700 }, (_, i) => pod(`p${i}`))
  const [action] = planReplicaSet(replicaSet('web', 0), seen(many), NOW).actions
  assert.equal(action?.kind === 'deletePods' && action.pods.length, 500)
})

test('the status counts pods by what they are', () => {
  const set = replicaSet('web', 4, { metadata: { name: 'web', generation: 7 } })
  const observed = seen([
    pod('plain', { metadata: { labels: LABELS } }),
    pod('other-labels', { metadata: { labels: { app: 'web2' } } }),
    pod('not-ready', { metadata: { labels: LABELS }, status: { conditions: ready(3, 'False') } }),
    pod('ended', { status: { phase: 'Failed' } }),
    pod('leaving', { metadata: deleting }),
  ])
  assert.deepEqual(planReplicaSet(set, observed, NOW).status, {
    replicas: 3,
    fullyLabeledReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 2,
    terminatingReplicas: 1,
    observedGeneration: 7,
  })
})

test('a generation counts as observed only when it has been acted on', () => {
  const metadata = { name: 'web', generation: 7 }
  const set = { ...replicaSet('web', 4, { metadata }), status: { replicas: 3, observedGeneration: 6 } }
  assert.equal(planReplicaSet(set, seen(three, { writesInFlight: true }), NOW).status.observedGeneration, 6)
  assert.equal(planReplicaSet(set, seen(three), NOW).status.observedGeneration, 7)
})

test('a ready pod is available after minReadySeconds, and is looked at again then', () => {
  const base = replicaSet('web', 2)
  const set = { ...base, spec: { ...base.spec!, minReadySeconds: 30 } }
  const young = [
    pod('a', { status: { conditions: ready(10) } }),
    pod('b', { status: { conditions: ready(25) } }),
    pod('c', { status: { conditions: ready(5, 'False') } }),
  ]
  const plan = planReplicaSet(set, seen(young), NOW)
  assert.equal(plan.status.availableReplicas, 0)
  assert.equal(plan.recheckAt, NOW + 5_000)
  const later = planReplicaSet(set, seen(young), NOW + 5_000)
  assert.equal(later.status.availableReplicas, 1)
  assert.equal(later.recheckAt, NOW + 20_000)
  assert.equal(planReplicaSet(set, seen(young), NOW + 20_000).recheckAt, undefined)
})

test('a failure is a condition until a try succeeds', () => {
  const failure = { reason: 'FailedCreate', message: 'pods "web-x" is forbidden' } as const
  const { status } = planReplicaSet(replicaSet('web', 4), seen(three, { failure }), NOW)
  assert.deepEqual(status.conditions, [
    { type: 'ReplicaFailure', status: 'True', ...failure, lastTransitionTime: ago(0) },
  ])
  const after = planReplicaSet({ ...replicaSet('web', 3), status }, seen(three), NOW + 1_000)
  assert.equal(after.status.conditions, undefined)
})

test('a new pod is the template, managed by its ReplicaSet', () => {
  const base = replicaSet('web-7c9f', 1)
  const metadata = { labels: LABELS, annotations: { note: 'x' }, finalizers: ['example.com/hold'], name: 'ignored' }
  const made = podFromTemplate({
    ...base,
    spec: { ...base.spec!, template: { metadata, spec: base.spec?.template?.spec } } as ReplicaSet['spec'] & object,
  })
  assert.deepEqual(made, {
    metadata: {
      namespace: 'default',
      generateName: 'web-7c9f-',
      labels: LABELS,
      annotations: { note: 'x' },
      finalizers: ['example.com/hold'],
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: 'web-7c9f',
          uid: 'uid-web-7c9f',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: { containers: [{ name: 'main', image: 'one' }] },
  })
})

const anyPod = fc.record({
  phase: fc.constantFrom('Pending', 'Running', 'Failed', 'Succeeded'),
  readiness: fc.constantFrom('True', 'False'),
  since: fc.integer({ min: 0, max: 100 }),
  node: fc.constantFrom('', 'node-1', 'node-2'),
  leaving: fc.boolean(),
})
const anyPods = fc.array(anyPod, { maxLength: 10 }).map((all) =>
  all.map((one, i) =>
    pod(`p${i}`, {
      metadata: { labels: LABELS, ...(one.leaving ? deleting : {}) },
      spec: { nodeName: one.node },
      status: { phase: one.phase, conditions: ready(one.since, one.readiness) },
    }),
  ),
)

test('after the plan there are as many as wanted, and planning again does nothing', () => {
  fc.assert(
    fc.property(anyPods, fc.integer({ min: 0, max: 12 }), fc.constantFrom(0, 30), (pods, replicas, minReadySeconds) => {
      const base = replicaSet('web', replicas)
      const set = frozen({ ...base, spec: { ...base.spec!, minReadySeconds } })
      let current: readonly Pod[] = frozen(pods)
      for (const action of planReplicaSet(set, seen(current), NOW).actions) {
        if (action.kind === 'createPods') {
          const made = Array.from({ length: action.count }, (_, i) => pod(`new${i}`, { status: { phase: 'Pending' } }))
          current = [...current, ...made]
        } else {
          assert.ok(action.pods.every(isPodActive))
          const doomed = new Set(action.pods)
          current = current.map((one) =>
            doomed.has(one) ? { ...one, metadata: { ...one.metadata, ...deleting } } : one,
          )
        }
      }
      assert.equal(current.filter(isPodActive).length, replicas)
      const again = planReplicaSet(set, seen(current), NOW)
      assert.deepEqual(again.actions, [])
      const settled = planReplicaSet({ ...set, status: again.status }, seen(current), NOW)
      assert.deepEqual(settled, again)
    }),
  )
})

test('the order of the pods does not matter', () => {
  fc.assert(
    fc.property(
      anyPods.chain((pods) => fc.tuple(fc.constant(pods), shuffled(pods), shuffled(pods.filter(isPodActive)))),
      fc.integer({ min: 0, max: 12 }),
      ([pods, given, related], replicas) => {
        const set = replicaSet('web', replicas)
        const observed = { pods: given, related, writesInFlight: false }
        assert.deepEqual(planReplicaSet(set, observed, NOW), planReplicaSet(set, seen(pods), NOW))
      },
    ),
  )
})

test('a failure that goes on changes nothing: the condition keeps its first words', () => {
  const failure = { reason: 'FailedCreate', message: 'pods "web-x" is forbidden' } as const
  const first = planReplicaSet(replicaSet('web', 4), seen(three, { failure }), NOW).status
  const again = { ...failure, message: 'pods "web-y" is forbidden' }
  const failing = { ...replicaSet('web', 4), status: first }
  assert.deepEqual(planReplicaSet(failing, seen(three, { failure: again }), NOW + 60_000).status, first)
})
