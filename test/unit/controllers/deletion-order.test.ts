import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import { inDeletionOrder } from '../../../src/controlplane/controllers/replica-set/deletion-order.ts'
import { ago, frozen, NOW, type PodParts, pod, ready, shuffled } from './objects.ts'

const COST = 'controller.kubernetes.io/pod-deletion-cost'
const restarts = (restartCount: number) => [{ name: 'main', restartCount, ready: true, image: '', imageID: '' }]
const cost = (text: string): PodParts => ({ metadata: { annotations: { [COST]: text } } })
const sidecar = (restartCount: number): PodParts => ({
  spec: { initContainers: [{ name: 'side', image: 'one', restartPolicy: 'Always' }] },
  status: {
    initContainerStatuses: [
      { name: 'setup', restartCount: 99, ready: true, image: '', imageID: '' },
      { name: 'side', restartCount, ready: true, image: '', imageID: '' },
    ],
  },
})

/**
 * Each row: what goes first, and what later, where the later one would go first by every criterion that follows. From
 * ActivePodsWithRanks in k8s.io/kubernetes/pkg/controller: assigned, phase, ready, cost, rank, ready time, restarts, age.
 */
const CRITERIA: readonly { readonly name: string; readonly first: PodParts; readonly later: PodParts }[] = [
  {
    name: 'without a node before on a node',
    first: { spec: { nodeName: '' } },
    later: { status: { phase: 'Pending', conditions: ready(1, 'False') } },
  },
  {
    name: 'pending before running',
    first: { status: { phase: 'Pending' } },
    later: { status: { conditions: ready(1, 'False') } },
  },
  { name: 'pending before unknown', first: { status: { phase: 'Pending' } }, later: { status: { phase: 'Unknown' } } },
  {
    name: 'unknown before running',
    first: { status: { phase: 'Unknown' } },
    later: { status: { conditions: ready(1, 'False') } },
  },
  { name: 'not ready before ready', first: { status: { conditions: ready(60, 'False') } }, later: cost('-5') },
  { name: 'cheaper before dearer', first: cost('-1'), later: { status: { conditions: ready(2) } } },
  { name: 'no cost counts as 0', first: {}, later: { ...cost('1'), status: { conditions: ready(2) } } },
  { name: 'an invalid cost counts as 0', first: cost('01'), later: { ...cost('1'), status: { conditions: ready(2) } } },
  {
    name: 'ready for a shorter time before ready for a longer one',
    first: { status: { conditions: ready(2) } },
    later: { status: { conditions: ready(3_600), containerStatuses: restarts(9) } },
  },
  {
    name: 'more restarts before fewer',
    first: { status: { containerStatuses: restarts(3) } },
    later: { metadata: { creationTimestamp: ago(1) }, status: { containerStatuses: restarts(2) } },
  },
  {
    name: 'more restarts of sidecars before fewer',
    first: sidecar(3),
    later: { ...sidecar(2), metadata: { creationTimestamp: ago(1) } },
  },
  {
    name: 'younger before older',
    first: { metadata: { creationTimestamp: ago(2) } },
    later: { metadata: { creationTimestamp: ago(3_600) } },
  },
]

for (const { name, first, later } of CRITERIA) {
  test(`scale-down takes pods ${name}`, () => {
    // Names, from which uids are made, that would decide the other way round.
    const pods = frozen([pod('a', later), pod('z', first)])
    for (const given of [pods, [...pods].reverse()]) {
      const names = inDeletionOrder(given, given, NOW).map(({ metadata }) => metadata?.name)
      assert.deepEqual(names, ['z', 'a'])
    }
  })
}

test('scale-down takes pods that share a node with others of the same owner first', () => {
  const pods = [
    pod('a', { spec: { nodeName: 'node-1' }, status: { conditions: ready(2) } }),
    pod('z', { spec: { nodeName: 'node-2' } }),
  ]
  const sibling = pod('of-another-replica-set', { spec: { nodeName: 'node-2' } })
  const names = inDeletionOrder(pods, [...pods, sibling], NOW).map(({ metadata }) => metadata?.name)
  assert.deepEqual(names, ['z', 'a'])
})

test('ages within one power of two count as equal (KEP-2185)', () => {
  // 2^36 ns is 68.7 s, 2^37 is 137.4 s.
  const of = (name: string, seconds: number): Pod => pod(name, { status: { conditions: ready(seconds) } })
  const order = (...pods: Pod[]): readonly (string | undefined)[] =>
    inDeletionOrder(pods, pods, NOW).map(({ metadata }) => metadata?.name)
  assert.deepEqual(order(of('a', 130), of('b', 70)), ['a', 'b'])
  assert.deepEqual(order(of('a', 140), of('b', 70)), ['b', 'a'])
})

test('the order is total: whatever the order of the pods and of their siblings, it is the same', () => {
  const any = fc.record({
    node: fc.constantFrom('', 'node-1', 'node-2'),
    phase: fc.constantFrom('Pending', 'Running', 'Unknown', undefined),
    readiness: fc.constantFrom('True', 'False'),
    since: fc.integer({ min: 0, max: 300 }),
    age: fc.integer({ min: 0, max: 300 }),
    cost: fc.constantFrom('', '-1', '1', 'x'),
    restarts: fc.integer({ min: 0, max: 2 }),
  })
  const pods = fc.array(any, { minLength: 2, maxLength: 12 }).map((all) =>
    all.map((one, i) =>
      pod(`p${i}`, {
        metadata: { creationTimestamp: ago(one.age), annotations: { [COST]: one.cost } },
        spec: { nodeName: one.node },
        status: {
          ...(one.phase === undefined ? { phase: '' } : { phase: one.phase }),
          conditions: ready(one.since, one.readiness),
          containerStatuses: restarts(one.restarts),
        },
      }),
    ),
  )
  fc.assert(
    fc.property(
      pods.chain((all) => fc.tuple(fc.constant(all), shuffled(all), shuffled(all))),
      ([all, given, related]) => {
        assert.deepEqual(inDeletionOrder(given, related, NOW), inDeletionOrder(all, all, NOW))
      },
    ),
  )
})
