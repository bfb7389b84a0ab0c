import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../../src/api/types/policy-v1.gen.ts'
import {
  type DisruptionObservation,
  planDisruption,
} from '../../../src/controlplane/controllers/disruption/plan-disruption.ts'
import { ago, frozen, NOW, pod, ready, shuffled } from './objects.ts'

function budget(spec: PodDisruptionBudget['spec'], status?: PodDisruptionBudgetStatus): PodDisruptionBudget {
  return {
    metadata: { namespace: 'default', name: 'guard', generation: 4 },
    spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
    ...(status === undefined ? {} : { status }),
  }
}

/** Pods of one owner that wants `replicas` of them; `healthy` of `count` are ready. */
function seen(replicas: number | undefined, count: number, healthy = count): DisruptionObservation {
  const pods = Array.from({ length: count }, (_, i) =>
    pod(`p${i}`, i < healthy ? {} : { status: { conditions: ready(9, 'False') } }),
  )
  return {
    pods,
    scales: new Map(replicas === undefined ? [] : [['owner', replicas]]),
    ownerOf: new Map(pods.map(({ metadata }) => [metadata?.name ?? '', 'owner'])),
  }
}

function numbers(spec: PodDisruptionBudget['spec'], observed: DisruptionObservation): readonly unknown[] {
  const { status } = planDisruption(frozen(budget(spec)), observed, NOW)
  return [status.expectedPods, status.desiredHealthy, status.currentHealthy, status.disruptionsAllowed]
}

describe('a budget: expected, desired, current, allowed', () => {
  for (const { name, spec, observed, want } of [
    { name: 'maxUnavailable as a number', spec: { maxUnavailable: 1 }, observed: seen(5, 5), want: [5, 4, 5, 1] },
    {
      name: 'maxUnavailable in percent rounds up',
      spec: { maxUnavailable: '30%' },
      observed: seen(7, 7),
      want: [7, 4, 7, 3],
    },
    {
      name: 'minAvailable as a number counts the pods',
      spec: { minAvailable: 2 },
      observed: seen(9, 3),
      want: [3, 2, 3, 1],
    },
    {
      name: 'minAvailable in percent rounds up',
      spec: { minAvailable: '50%' },
      observed: seen(7, 7),
      want: [7, 4, 7, 3],
    },
    {
      name: 'minAvailable in percent counts pods yet to come',
      spec: { minAvailable: '50%' },
      observed: seen(10, 6),
      want: [10, 5, 6, 1],
    },
    {
      name: 'unhealthy pods use the budget up',
      spec: { maxUnavailable: 2 },
      observed: seen(5, 5, 3),
      want: [5, 3, 3, 0],
    },
    {
      name: 'never fewer than none is allowed',
      spec: { maxUnavailable: 1 },
      observed: seen(5, 5, 1),
      want: [5, 4, 1, 0],
    },
    { name: 'more than there are', spec: { maxUnavailable: 9 }, observed: seen(3, 3), want: [3, 0, 3, 3] },
    { name: 'nothing may be disrupted', spec: { maxUnavailable: 0 }, observed: seen(3, 3), want: [3, 3, 3, 0] },
    { name: 'no pods, no disruption', spec: { maxUnavailable: 1 }, observed: seen(undefined, 0), want: [0, 0, 0, 0] },
    { name: 'no rule at all', spec: {}, observed: seen(3, 3), want: [3, 0, 3, 3] },
  ]) {
    test(name, () => assert.deepEqual(numbers(spec, observed), want))
  }

  test('pods on their way out are not healthy', () => {
    const observed = seen(3, 3)
    const pods = [...observed.pods.slice(1), pod('p0', { metadata: { deletionTimestamp: ago(1) } })]
    assert.deepEqual(numbers({ maxUnavailable: 1 }, { ...observed, pods }), [3, 2, 2, 0])
  })

  test('two owners are added up', () => {
    const observed = seen(3, 4)
    const ownerOf = new Map([...observed.ownerOf, ['p3', 'second']])
    const scales = new Map([...observed.scales, ['second', 1]])
    assert.deepEqual(numbers({ maxUnavailable: 1 }, { ...observed, ownerOf, scales }), [4, 3, 4, 1])
  })
})

test('the condition says whether a disruption is allowed', () => {
  const yes = planDisruption(budget({ maxUnavailable: 1 }), seen(3, 3), NOW).status
  assert.deepEqual(yes.conditions, [
    {
      type: 'DisruptionAllowed',
      status: 'True',
      reason: 'SufficientPods',
      message: '',
      observedGeneration: 4,
      lastTransitionTime: ago(0),
    },
  ])
  const no = planDisruption(budget({ maxUnavailable: 1 }, yes), seen(3, 3, 1), NOW).status
  assert.deepEqual([no.conditions?.[0]?.status, no.conditions?.[0]?.reason], ['False', 'InsufficientPods'])
})

test('pods whose owner has no size make the budget fail shut', () => {
  const plan = planDisruption(budget({ maxUnavailable: 1 }, { disruptionsAllowed: 3 }), seen(undefined, 3), NOW)
  assert.equal(plan.failure, 'found no controllers for pod "p0"')
  assert.equal(plan.status.disruptionsAllowed, 0)
  assert.equal(plan.status.conditions?.[0]?.reason, 'SyncFailed')
  assert.equal(planDisruption(budget({ minAvailable: 1 }), seen(undefined, 3), NOW).failure, undefined)
})

test('pods that nothing manages count for nothing where sizes do, which is told', () => {
  const observed = { ...seen(2, 3), ownerOf: new Map([['p0', 'owner']]) }
  const plan = planDisruption(budget({ maxUnavailable: 1 }), observed, NOW)
  assert.deepEqual([plan.unmanaged, plan.status.expectedPods], [true, 2])
  assert.equal(planDisruption(budget({ minAvailable: 1 }), observed, NOW).unmanaged, false)
  assert.equal(planDisruption(budget({ minAvailable: '1%' }), observed, NOW).unmanaged, true)
})

describe('evictions under way', () => {
  const disruptedPods = { p0: ago(60), p1: ago(121), gone: ago(10) }
  test('count as disrupted for two minutes; then somebody is warned', () => {
    const plan = planDisruption(budget({ maxUnavailable: 2 }, { disruptedPods }), seen(3, 3), NOW)
    assert.deepEqual(plan.status.disruptedPods, { p0: ago(60) })
    assert.equal(plan.status.currentHealthy, 2)
    assert.equal(plan.status.disruptionsAllowed, 1)
    assert.equal(plan.recheckAt, NOW + 60_000)
    assert.deepEqual(
      plan.actions.map(({ pod: { metadata }, why }) => [metadata?.name, why]),
      [['p1', "Pod was expected by PDB default/guard to be deleted but it wasn't"]],
    )
  })
  test('are over when the pod is on its way out', () => {
    const observed = seen(3, 3)
    const pods = [pod('p0', { metadata: { deletionTimestamp: ago(1) } }), ...observed.pods.slice(1)]
    const status = { disruptedPods: { p0: ago(10) } }
    const plan = planDisruption(budget({ maxUnavailable: 2 }, status), { ...observed, pods }, NOW)
    assert.equal(plan.status.disruptedPods, undefined)
    assert.equal(plan.recheckAt, undefined)
  })
})

test('planning again changes nothing, whatever the order of the pods; never more is allowed than the budget leaves', () => {
  const amount = fc.oneof(
    fc.integer({ min: 0, max: 6 }),
    fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
  )
  const spec = fc.oneof(
    amount.map((maxUnavailable) => ({ maxUnavailable })),
    amount.map((minAvailable) => ({ minAvailable })),
  )
  const observed = fc
    .tuple(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 8 }))
    .map(([replicas, count, healthy]) => seen(replicas, count, Math.min(count, healthy)))
  fc.assert(
    fc.property(
      spec,
      observed.chain((one) => fc.tuple(fc.constant(one), shuffled<Pod>(one.pods))),
      fc.dictionary(fc.constantFrom('p0', 'p1', 'p2'), fc.integer({ min: 0, max: 200 }).map(ago)),
      (spec, [one, pods], disruptedPods) => {
        const first = planDisruption(budget(spec, { disruptedPods }), one, NOW)
        const again = planDisruption(budget(spec, first.status), { ...one, pods }, NOW)
        assert.deepEqual(again.status, first.status)
        assert.deepEqual(again.actions, [])
        const { currentHealthy = 0, desiredHealthy = 0, disruptionsAllowed = 0 } = first.status
        assert.ok(disruptionsAllowed === 0 || currentHealthy - disruptionsAllowed >= desiredHealthy)
      },
    ),
  )
})
