import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { findCondition } from '../../../src/api/conditions.ts'
import type { HorizontalPodAutoscaler, HPAScalingRules, MetricSpec } from '../../../src/api/types/autoscaling-v2.gen.ts'
import type { Pod } from '../../../src/api/types/core-v1.gen.ts'
import type { MetricReading } from '../../../src/controlplane/autoscaler/metric-reading.ts'
import { needsMetrics, planAutoscaling } from '../../../src/controlplane/autoscaler/plan-autoscaling.ts'
import type { ScalingHistory } from '../../../src/controlplane/autoscaler/scaling-history.ts'
import { autoscaler, CPU_50, evenUsage, external, NOW, observed, pod, pods, total, usage } from './objects.ts'

interface Row {
  readonly name: string
  readonly given: {
    readonly replicas: number
    readonly spec?: Partial<HorizontalPodAutoscaler['spec']>
    readonly status?: Partial<HorizontalPodAutoscaler['status']>
    readonly pods?: readonly Pod[]
    readonly readings?: readonly MetricReading[]
    readonly statusReplicas?: number
    readonly history?: ScalingHistory
  }
  /** The size that is asked for; the current one when nothing is. */
  readonly want: number
  readonly why?: string
}

function decide({ given }: Row) {
  const { replicas, statusReplicas = replicas, readings = [] } = given
  const plan = planAutoscaling(
    autoscaler(given.spec, given.status),
    observed(replicas, readings, {
      scale: { replicas, statusReplicas, selector: 'app=web' },
      ...(given.pods === undefined ? {} : { pods: given.pods }),
      ...(given.history === undefined ? {} : { history: given.history }),
    }),
    NOW,
  )
  return { plan, replicas: plan.resize?.replicas ?? replicas }
}

function table(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    for (const row of rows)
      test(row.name, () => {
        const { plan, replicas } = decide(row)
        assert.equal(replicas, row.want, JSON.stringify(plan.warnings))
        if (row.why !== undefined) assert.equal(plan.resize?.why, row.why)
        assert.equal(plan.status.currentReplicas, row.given.replicas)
      })
  })
}

const CPU_WHY = 'cpu resource utilization (percentage of request) above target'
const rules = (more: HPAScalingRules): HPAScalingRules => ({
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
  ...more,
})

table('above max or below min clamps at once', [
  {
    name: 'more than the most, whatever the metrics say',
    given: { replicas: 7, spec: { maxReplicas: 5 } },
    want: 5,
    why: 'Current number of replicas above Spec.MaxReplicas',
  },
  {
    name: 'fewer than the fewest',
    given: { replicas: 1, spec: { minReplicas: 3 } },
    want: 3,
    why: 'Current number of replicas below Spec.MinReplicas',
  },
  {
    name: 'beyond what the up-limit would let through',
    given: { replicas: 1, spec: { minReplicas: 50 } },
    want: 50,
  },
])

table('pods that say nothing', [
  {
    name: 'deleted, failed and succeeded ones are ignored',
    given: {
      replicas: 2,
      pods: [
        ...pods(2),
        pod('gone', { deleted: true }),
        pod('failed', { phase: 'Failed' }),
        pod('done', { phase: 'Succeeded' }),
      ],
      readings: [usage({ 'web-0': 500, 'web-1': 500, gone: 0, failed: 0, done: 0 })],
    },
    want: 4,
    why: CPU_WHY,
  },
  {
    name: 'a pending one is unready: it counts as idle on the way up',
    given: {
      replicas: 3,
      pods: [pod('web-0'), pod('web-1'), pod('web-2', { phase: 'Pending' })],
      readings: [usage({ 'web-0': 500, 'web-1': 500 })],
    },
    // 66 % of three: 3 × 1.32 = 3.96.
    want: 4,
  },
  {
    name: 'a pending one does not count on the way down',
    given: {
      replicas: 3,
      pods: [pod('web-0'), pod('web-1'), pod('web-2', { phase: 'Pending' })],
      readings: [usage({ 'web-0': 100, 'web-1': 100 })],
    },
    want: 1,
    why: 'All metrics below target',
  },
  {
    name: 'within 5 minutes of its start a pod that is not ready is unready',
    given: {
      replicas: 2,
      pods: [pod('web-0'), pod('web-1', { startedAgo: 299, ready: 'False', readyChangedAgo: 100 })],
      readings: [usage({ 'web-0': 1000, 'web-1': 9000 })],
    },
    // 200 % and 0 %: 100 % of two.
    want: 4,
  },
  {
    name: 'within 5 minutes of its start a sample older than readiness plus its window is unready',
    given: {
      replicas: 2,
      pods: [pod('web-0'), pod('web-1', { startedAgo: 60, readyChangedAgo: 15 })],
      readings: [usage({ 'web-0': 1000, 'web-1': 9000 })],
    },
    want: 4,
  },
  {
    name: 'within 5 minutes of its start a sample over next to no time says nothing before 15 s of service',
    given: {
      replicas: 2,
      pods: [pod('web-0'), pod('web-1', { startedAgo: 60, readyChangedAgo: 15 })],
      readings: [usage({ 'web-0': 1000, 'web-1': 9000 }, 1, 1_500)],
    },
    want: 4,
  },
  {
    name: 'within 5 minutes of its start a sample from after that counts',
    given: {
      replicas: 2,
      pods: [pod('web-0'), pod('web-1', { startedAgo: 60, readyChangedAgo: 16 })],
      readings: [usage({ 'web-0': 500, 'web-1': 500 })],
    },
    want: 4,
  },
  {
    name: 'afterwards a pod that was never ready is unready',
    given: {
      replicas: 2,
      pods: [pod('web-0'), pod('web-1', { startedAgo: 301, ready: 'False', readyChangedAgo: 272 })],
      readings: [usage({ 'web-0': 1000, 'web-1': 9000 })],
    },
    want: 4,
  },
  {
    name: 'afterwards a pod that lost its readiness later than 30 s after its start counts',
    given: {
      replicas: 2,
      pods: [pod('web-0'), pod('web-1', { startedAgo: 301, ready: 'False', readyChangedAgo: 271 })],
      readings: [usage({ 'web-0': 500, 'web-1': 500 })],
    },
    want: 4,
  },
  {
    name: 'a CPU sample of a pod without a readiness condition or a start is unready',
    given: {
      replicas: 3,
      pods: [pod('web-0'), pod('web-1', { ready: undefined }), pod('web-2', { startedAgo: undefined })],
      readings: [usage({ 'web-0': 1500, 'web-1': 9000, 'web-2': 9000 })],
    },
    // 300 % and twice 0 %.
    want: 6,
  },
  {
    name: 'other metrics take samples of pods that are not ready',
    given: {
      replicas: 2,
      spec: {
        metrics: [
          {
            type: 'Pods',
            pods: { metric: { name: 'requests' }, target: { type: 'AverageValue', averageValue: '10' } },
          },
        ],
      },
      pods: [pod('web-0'), pod('web-1', { startedAgo: 10, ready: 'False', readyChangedAgo: 5 })],
      readings: [usage({ 'web-0': 20_000, 'web-1': 20_000 })],
    },
    want: 4,
    why: 'pods metric requests above target',
  },
  {
    name: 'a sample of a pod that is no more is nobody’s',
    given: { replicas: 1, readings: [usage({ 'web-0': 250, 'web-9': 9000 })] },
    want: 1,
  },
])

table('utilization', [
  {
    name: 'is whole per cent of all requests together',
    given: {
      replicas: 2,
      pods: [pod('web-0', { cpu: 100 }), pod('web-1', { cpu: 900 })],
      readings: [usage({ 'web-0': 400, 'web-1': 0 })],
    },
    // 40 % of a CPU in all, not the mean of 400 % and 0 %; ceil(0.8 × 2).
    want: 2,
  },
  {
    name: 'loses its fraction before it is compared: 55.99 % is within a tenth of 50 %',
    given: { replicas: 10, pods: pods(10, { cpu: 10_000 }), readings: [evenUsage(10, 5_599)] },
    want: 10,
  },
  {
    name: 'of 56 % is beyond it: ceil(1.12 × 10)',
    given: { replicas: 10, pods: pods(10, { cpu: 10_000 }), readings: [evenUsage(10, 5_600)] },
    want: 12,
  },
  {
    name: 'is exact also for terabytes',
    given: {
      replicas: 2,
      spec: {
        metrics: [
          { type: 'Resource', resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 50 } } },
        ],
        behavior: {
          scaleUp: rules({ tolerance: '0' }),
          scaleDown: rules({ tolerance: '0', stabilizationWindowSeconds: 0 }),
        },
      },
      pods: ['web-0', 'web-1'].map((name) => {
        const made = pod(name)
        const containers = [{ name: 'main', image: 'one', resources: { requests: { memory: '3Ti' } } }]
        return { ...made, spec: { ...made.spec, containers } }
      }),
      readings: [evenUsage(2, 1.5 * 1024 ** 4 * 1000)],
    },
    want: 2,
  },
])

table('tolerance', [
  { name: 'within a tenth above nothing is done', given: { replicas: 10, readings: [evenUsage(10, 275)] }, want: 10 },
  { name: 'within a tenth below nothing is done', given: { replicas: 10, readings: [evenUsage(10, 225)] }, want: 10 },
  { name: 'beyond it the ratio counts', given: { replicas: 10, readings: [evenUsage(10, 220)] }, want: 9 },
  {
    name: 'of the behavior, upwards',
    given: {
      replicas: 10,
      spec: { behavior: { scaleUp: rules({ tolerance: '500m' }) } },
      readings: [evenUsage(10, 370)],
    },
    want: 10,
  },
  {
    name: 'of the behavior, downwards',
    given: {
      replicas: 10,
      spec: { behavior: { scaleDown: rules({ tolerance: '0', stabilizationWindowSeconds: 0 }) } },
      readings: [evenUsage(10, 240)],
    },
    want: 10,
  },
  {
    name: 'of nothing at all: 48 % of 50 % with 100 pods are four pods too many',
    given: {
      replicas: 100,
      spec: { behavior: { scaleDown: rules({ tolerance: '0', stabilizationWindowSeconds: 0 }) } },
      readings: [evenUsage(100, 240)],
    },
    want: 96,
  },
])

table('refilling what is not known', [
  {
    name: 'on the way down a missing pod uses all it requests',
    given: { replicas: 4, readings: [usage({ 'web-0': 50, 'web-1': 50, 'web-2': 50 })] },
    // (3 × 10 % + 100 %) / 4 = 32 %; ceil(0.64 × 4).
    want: 3,
  },
  {
    name: 'or the aim where that is more than all',
    given: {
      replicas: 4,
      spec: {
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 200 } } },
        ],
      },
      readings: [usage({ 'web-0': 500, 'web-1': 500, 'web-2': 500 })],
    },
    // (3 × 100 % + 200 %) / 4 = 125 %; ceil(0.625 × 4).
    want: 3,
  },
  {
    name: 'on the way up missing and unready pods are idle',
    given: {
      replicas: 4,
      pods: [pod('web-0'), pod('web-1'), pod('web-2', { phase: 'Pending' }), pod('web-3')],
      readings: [usage({ 'web-0': 1000, 'web-1': 1000 })],
    },
    // (200 % + 200 % + 0 + 0) / 4 = 100 %; 2 × 4.
    want: 8,
  },
  {
    name: 'keeps the size when the refilled ratio is within the tolerance',
    given: { replicas: 4, readings: [usage({ 'web-0': 500, 'web-1': 500 })] },
    want: 4,
  },
  {
    name: 'keeps the size when the direction flips on the way up',
    given: { replicas: 4, readings: [usage({ 'web-0': 500 })] },
    want: 4,
  },
  {
    name: 'keeps the size when the direction flips on the way down',
    given: { replicas: 2, readings: [usage({ 'web-0': 200 })] },
    want: 2,
  },
  {
    name: 'the refilled ratio counts all pods that there are, however many were asked for',
    given: { replicas: 9, pods: pods(4), readings: [usage({ 'web-0': 900, 'web-1': 900, 'web-2': 900 })] },
    // (3 × 180 %) / 4 = 135 %; ceil(2.7 × 4).
    want: 11,
  },
  {
    name: 'keeps the size when the number of samples would turn the direction',
    given: {
      replicas: 9,
      pods: [...pods(3), pod('web-3', { phase: 'Pending' })],
      readings: [usage({ 'web-0': 500, 'web-1': 500, 'web-2': 500 })],
    },
    // 75 % of four pods ask for ceil(1.5 × 4) = 6, which is fewer than 9.
    want: 9,
  },
])

const OBJECT = (target: object): MetricSpec =>
  ({
    type: 'Object',
    object: { describedObject: { kind: 'Service', name: 'web' }, metric: { name: 'hits' }, target },
  }) as MetricSpec

table('objects and what is outside', [
  {
    name: 'a value: ceil(ratio × ready)',
    given: {
      replicas: 3,
      spec: { metrics: [OBJECT({ type: 'Value', value: '10' })] },
      pods: [...pods(2), pod('web-2', { ready: 'False' })],
      readings: [total(25_000)],
    },
    want: 5,
    why: 'Service metric hits above target',
  },
  {
    name: 'a value from nothing: ceil(ratio)',
    given: {
      replicas: 0,
      spec: { minReplicas: 0, metrics: [external({ value: '10' })] },
      status: { conditions: [{ type: 'ScaledToZero', status: 'True' }] },
      pods: [],
      readings: [total(25_000)],
    },
    want: 3,
    why: 'external metric queue(nil) above target',
  },
  {
    name: 'to nothing when there is nothing',
    given: { replicas: 1, spec: { minReplicas: 0, metrics: [external({ value: '10' })] }, readings: [total(0)] },
    want: 0,
    why: 'All metrics below target',
  },
  {
    name: 'an average: ceil(value / target)',
    given: { replicas: 2, spec: { metrics: [external({ averageValue: '10' })] }, readings: [total(35_000)] },
    want: 4,
  },
  {
    name: 'an average is compared with the pods that there are, not with those asked for',
    given: {
      replicas: 4,
      statusReplicas: 2,
      spec: {
        metrics: [external({ averageValue: '10' })],
        behavior: { scaleDown: rules({ stabilizationWindowSeconds: 0 }) },
      },
      readings: [total(21_000)],
    },
    // 21 for two pods is within a tenth: two.
    want: 2,
  },
  {
    name: 'an average of an object',
    given: {
      replicas: 2,
      spec: { metrics: [OBJECT({ type: 'AverageValue', averageValue: '10' })] },
      readings: [total(35_000)],
    },
    want: 4,
  },
  {
    name: 'no more than a count can hold',
    given: {
      replicas: 2,
      spec: {
        maxReplicas: 2 ** 31 - 1,
        metrics: [external({ averageValue: '1m' })],
        behavior: { scaleUp: rules({ policies: [{ type: 'Pods', value: 2 ** 31 - 1, periodSeconds: 15 }] }) },
      },
      readings: [total(1e18)],
    },
    want: 2 ** 31 - 1,
  },
])

const FAILED: MetricReading = { kind: 'failed', why: 'no metrics returned from external metrics API' }
const TWO = [CPU_50, external({ averageValue: '10' })]

table('several metrics', [
  {
    name: 'the one that asks for most counts',
    given: { replicas: 2, spec: { metrics: TWO }, readings: [evenUsage(2, 300), total(40_000)] },
    want: 4,
    why: 'external metric queue(nil) above target',
  },
  {
    name: 'one that failed does not keep others from adding',
    given: { replicas: 2, spec: { metrics: TWO }, readings: [evenUsage(2, 500), FAILED] },
    want: 4,
    why: CPU_WHY,
  },
  {
    name: 'but from taking away',
    given: { replicas: 4, spec: { metrics: TWO }, readings: [evenUsage(4, 10), FAILED] },
    want: 4,
  },
  { name: 'all failed', given: { replicas: 4, spec: { metrics: TWO }, readings: [FAILED, FAILED] }, want: 4 },
])

const past = (...entries: readonly (readonly [secondsAgo: number, replicas: number])[]): ScalingHistory => ({
  recommendations: entries.map(([seconds, replicas]) => ({ atMs: NOW - seconds * 1000, replicas })),
  ups: [],
  downs: [],
})
const DOWN = [evenUsage(10, 25)]
const UP = [evenUsage(10, 500)]

table('stabilization', [
  {
    name: 'down takes the maximum of the last 300 s',
    given: { replicas: 10, readings: DOWN, history: past([300, 7], [100, 4]) },
    want: 7,
  },
  {
    name: 'what is older does not count',
    given: { replicas: 10, readings: DOWN, history: past([301, 7], [100, 4]) },
    want: 4,
  },
  { name: 'up has no window', given: { replicas: 10, readings: UP, history: past([1, 2]) }, want: 20 },
  {
    name: 'up takes the minimum of its window',
    given: {
      replicas: 10,
      spec: { behavior: { scaleUp: rules({ stabilizationWindowSeconds: 60 }) } },
      readings: UP,
      history: past([70, 2], [59, 13], [10, 15]),
    },
    want: 13,
  },
  {
    name: 'up with a recent recommendation of fewer keeps the size',
    given: {
      replicas: 10,
      spec: { behavior: { scaleUp: rules({ stabilizationWindowSeconds: 60 }) } },
      readings: UP,
      history: past([59, 3]),
    },
    want: 10,
  },
  {
    name: 'down takes the window of the behavior',
    given: {
      replicas: 10,
      spec: { behavior: { scaleDown: rules({ stabilizationWindowSeconds: 60 }) } },
      readings: DOWN,
      history: past([60, 9], [59, 4]),
    },
    want: 4,
  },
  {
    name: 'down without a window in the behavior takes 300 s',
    given: {
      replicas: 10,
      spec: { behavior: { scaleUp: rules({}) } },
      readings: DOWN,
      history: past([300, 9], [299, 6]),
    },
    want: 6,
  },
])

const changes = (ups: readonly (readonly [number, number])[], downs: readonly (readonly [number, number])[] = []) => {
  const of = (list: readonly (readonly [number, number])[]) =>
    list.map(([seconds, count]) => ({ atMs: NOW - seconds * 1000, count }))
  return { recommendations: [], ups: of(ups), downs: of(downs) }
}
const FAR_UP = [evenUsage(10, 5_000)]
const up = (more: HPAScalingRules) => ({ behavior: { scaleUp: rules(more) } })
const down = (more: HPAScalingRules) => ({ behavior: { scaleDown: rules({ stabilizationWindowSeconds: 0, ...more }) } })
const policy = (type: string, value: number, periodSeconds = 60) => ({ type, value, periodSeconds })

table('policies', [
  { name: 'without a behavior to twice as many', given: { replicas: 10, readings: FAR_UP }, want: 20 },
  { name: 'without a behavior to 4 at least', given: { replicas: 1, readings: [evenUsage(1, 5_000)] }, want: 4 },
  {
    name: 'the base is the size at the beginning of the period',
    given: {
      replicas: 10,
      spec: up({ policies: [policy('Pods', 5)] }),
      readings: FAR_UP,
      history: changes(
        [
          [60, 7],
          [59, 3],
        ],
        [[30, 1]],
      ),
    },
    // 10 − 3 + 1 + 5; what is as old as the period is no longer in it.
    want: 13,
  },
  {
    name: 'a period that is used up holds the size',
    given: { replicas: 10, spec: up({ policies: [policy('Pods', 2)] }), readings: FAR_UP, history: changes([[10, 5]]) },
    want: 10,
  },
  {
    name: 'per cent up are rounded up',
    given: { replicas: 10, spec: up({ policies: [policy('Percent', 11)] }), readings: FAR_UP },
    want: 12,
  },
  {
    name: 'per cent down are cut off',
    given: { replicas: 10, spec: down({ policies: [policy('Percent', 15)] }), readings: DOWN },
    want: 8,
  },
  {
    name: 'up, Max takes the policy that adds most',
    given: { replicas: 10, spec: up({ policies: [policy('Pods', 4), policy('Percent', 30)] }), readings: FAR_UP },
    want: 14,
  },
  {
    name: 'up, Min takes the policy that adds least',
    given: {
      replicas: 10,
      spec: up({ selectPolicy: 'Min', policies: [policy('Pods', 4), policy('Percent', 30)] }),
      readings: FAR_UP,
    },
    want: 13,
  },
  {
    name: 'down, Max takes the policy that removes most',
    given: { replicas: 10, spec: down({ policies: [policy('Pods', 4), policy('Percent', 30)] }), readings: DOWN },
    want: 6,
  },
  {
    name: 'down, Min takes the policy that removes least',
    given: {
      replicas: 10,
      spec: down({ selectPolicy: 'Min', policies: [policy('Pods', 4), policy('Percent', 30)] }),
      readings: DOWN,
    },
    want: 7,
  },
  { name: 'Disabled up', given: { replicas: 10, spec: up({ selectPolicy: 'Disabled' }), readings: FAR_UP }, want: 10 },
  {
    name: 'Disabled down',
    given: { replicas: 10, spec: down({ selectPolicy: 'Disabled' }), readings: DOWN },
    want: 10,
  },
  {
    name: 'the defaults add 4 pods or as many as there are',
    given: { replicas: 3, spec: { behavior: {} }, readings: [evenUsage(3, 5_000)] },
    want: 7,
  },
  { name: 'within the most', given: { replicas: 10, spec: { maxReplicas: 15 }, readings: FAR_UP }, want: 15 },
  {
    name: 'within the fewest',
    given: { replicas: 10, spec: { minReplicas: 5, ...down({}) }, readings: DOWN },
    want: 5,
  },
])

table('nothing', [
  { name: 'of a person is left alone', given: { replicas: 0, pods: [], readings: [] }, want: 0 },
  {
    name: 'of ours is measured, and stays while there is nothing',
    given: {
      replicas: 0,
      spec: { minReplicas: 0, metrics: [external({ averageValue: '10' })] },
      status: { conditions: [{ type: 'ScaledToZero', status: 'True' }] },
      pods: [],
      readings: [total(0)],
    },
    want: 0,
  },
  {
    name: 'of ours ends when the minimum is raised',
    given: {
      replicas: 0,
      spec: { minReplicas: 2, metrics: [external({ averageValue: '10' })], behavior: {} },
      status: { conditions: [{ type: 'ScaledToZero', status: 'True' }] },
      pods: [],
      readings: [total(0)],
    },
    want: 2,
    why: 'Current number of replicas below Spec.MinReplicas',
  },
])

describe('words', () => {
  const wordsOf = (given: Row['given']) => {
    const { plan } = decide({ name: '', given, want: 0 })
    const word = (type: string): string | undefined => {
      const { status, reason, message } = findCondition(plan.status.conditions, type) ?? {}
      return reason === undefined ? undefined : `${status} ${reason}: ${message}`
    }
    return { plan, able: word('AbleToScale'), active: word('ScalingActive'), limited: word('ScalingLimited') }
  }

  test('of a target that is as it should be', () => {
    const { plan, able, active, limited } = wordsOf({ replicas: 2, readings: [evenUsage(2, 250)] })
    assert.equal(able, 'True ReadyForNewScale: recommended size matches current size')
    assert.equal(
      active,
      'True ValidMetricFound: the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)',
    )
    assert.equal(limited, 'False DesiredWithinRange: the desired count is within the acceptable range')
    assert.equal(plan.resize, undefined)
    assert.deepEqual(plan.status.currentMetrics, [
      { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 50, averageValue: '250m' } } },
    ])
    assert.equal(plan.status.observedGeneration, 1)
  })

  test('of a size that is held', () => {
    assert.equal(
      wordsOf({ replicas: 10, readings: DOWN, history: past([100, 10]) }).able,
      'True ScaleDownStabilized: recent recommendations were higher than current one, applying the highest recent recommendation',
    )
    assert.equal(
      wordsOf({ replicas: 10, spec: up({ stabilizationWindowSeconds: 60 }), readings: UP, history: past([9, 10]) })
        .able,
      'True ScaleUpStabilized: recent recommendations were lower than current one, applying the lowest recent recommendation',
    )
  })

  test('of a size that is limited', () => {
    assert.equal(
      wordsOf({ replicas: 10, spec: { maxReplicas: 15 }, readings: FAR_UP }).limited,
      'True TooManyReplicas: the desired replica count is more than the maximum replica count',
    )
    assert.equal(
      wordsOf({ replicas: 10, readings: FAR_UP }).limited,
      'True ScaleUpLimit: the desired replica count is increasing faster than the maximum scale rate',
    )
    assert.equal(
      wordsOf({ replicas: 10, spec: { minReplicas: 5 }, readings: DOWN }).limited,
      'True TooFewReplicas: the desired replica count is less than the minimum replica count',
    )
    assert.equal(
      wordsOf({ replicas: 10, spec: down({ policies: [policy('Pods', 1)] }), readings: DOWN }).limited,
      'True ScaleDownLimit: the desired replica count is decreasing faster than the maximum scale rate',
    )
  })

  test('of a target of nothing', () => {
    assert.equal(
      wordsOf({ replicas: 0, pods: [] }).active,
      'False ScalingDisabled: scaling is disabled since the replica count of the target is zero',
    )
  })

  // The whole chain as `kubectl describe hpa` shows it where no metrics are served.
  test('of metrics that are not there', () => {
    const why =
      'unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)'
    const { plan, active } = wordsOf({ replicas: 2, readings: [{ kind: 'failed', why }] })
    const cause = `failed to get cpu utilization: unable to get metrics for resource cpu: ${why}`
    assert.equal(active, `False FailedGetResourceMetric: the HPA was unable to compute the replica count: ${cause}`)
    assert.deepEqual(plan.warnings, [
      { reason: 'FailedGetResourceMetric', message: cause },
      {
        reason: 'FailedComputeMetricsReplicas',
        message: `invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: ${cause}`,
      },
    ])
    assert.deepEqual(plan.status.currentMetrics, [{ type: '' }])
  })

  for (const { name, metric, reading = FAILED, given = {}, want } of [
    {
      name: 'a container that requests nothing',
      metric: CPU_50,
      reading: evenUsage(2, 100),
      given: { pods: [pod('web-0'), pod('web-1', { cpu: undefined })] },
      want: 'FailedGetResourceMetric: failed to get cpu utilization: missing request for cpu in container main of Pod web-1',
    },
    {
      name: 'no pods',
      metric: CPU_50,
      reading: evenUsage(2, 100),
      given: { pods: [] },
      want: 'FailedGetResourceMetric: failed to get cpu utilization: no pods returned by selector while calculating replica count',
    },
    {
      name: 'only pods that say nothing',
      metric: CPU_50,
      reading: evenUsage(2, 100),
      given: { pods: pods(2, { phase: 'Pending' }) },
      want: 'FailedGetResourceMetric: failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)',
    },
    {
      name: 'an amount',
      metric: { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } } },
      want: `FailedGetResourceMetric: failed to get memory usage: unable to get metrics for resource memory: ${FAILED.kind === 'failed' ? FAILED.why : ''}`,
    },
    {
      name: 'a container that is not there',
      metric: {
        type: 'ContainerResource',
        containerResource: { name: 'cpu', container: 'aside', target: { type: 'Utilization', averageUtilization: 5 } },
      },
      reading: evenUsage(2, 100),
      want: 'FailedGetContainerResourceMetric: failed to get cpu utilization: container aside not found in Pod web-0',
    },
    {
      name: 'a metric from outside',
      metric: external({ value: '1' }),
      want: 'FailedGetExternalMetric: unable to get external metric shop/queue/nil: no metrics returned from external metrics API',
    },
    {
      name: 'a metric of an object',
      metric: OBJECT({ type: 'Value', value: '1' }),
      want: 'FailedGetObjectMetric: unable to get metric hits on Service shop/web: no metrics returned from external metrics API',
    },
    {
      name: 'a metric of pods',
      metric: {
        type: 'Pods',
        pods: { metric: { name: 'requests' }, target: { type: 'AverageValue', averageValue: '1' } },
      },
      want: 'FailedGetPodsMetric: unable to get metric requests: no metrics returned from external metrics API',
    },
  ] as readonly {
    readonly name: string
    readonly metric: MetricSpec
    readonly reading?: MetricReading
    readonly given?: Partial<Row['given']>
    readonly want: string
  }[])
    test(`of what fails: ${name}`, () => {
      const { plan } = wordsOf({ replicas: 2, spec: { metrics: [metric] }, readings: [reading], ...given })
      const [first] = plan.warnings
      assert.equal(`${first?.reason}: ${first?.message}`, want)
      assert.equal(plan.resize, undefined)
    })

  test('of one container', () => {
    const metric: MetricSpec = {
      type: 'ContainerResource',
      containerResource: { name: 'cpu', container: 'main', target: { type: 'Utilization', averageUtilization: 50 } },
    }
    const { plan } = wordsOf({ replicas: 2, spec: { metrics: [metric] }, readings: [evenUsage(2, 500)] })
    assert.deepEqual(plan.resize, {
      replicas: 4,
      why: 'cpu container resource utilization (percentage of request) above target',
    })
    assert.deepEqual(plan.status.currentMetrics?.[0]?.containerResource?.current, {
      averageUtilization: 100,
      averageValue: '500m',
    })
  })

  test('of a metric chosen by labels', () => {
    const selector = {
      matchLabels: { b: '2', a: '1' },
      matchExpressions: [{ key: 'c', operator: 'In', values: ['x', 'y'] }],
    }
    const metric: MetricSpec = {
      type: 'External',
      external: { metric: { name: 'queue', selector }, target: { type: 'AverageValue', averageValue: '1' } },
    }
    const { plan } = wordsOf({ replicas: 2, spec: { metrics: [metric] }, readings: [total(4_000)] })
    assert.equal(
      plan.resize?.why,
      'external metric queue(&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:c,Operator:In,Values:[x y],},},}) above target',
    )
  })
})

test('metrics are read only when they decide', () => {
  assert.equal(needsMetrics(autoscaler({ minReplicas: 2, maxReplicas: 4 }), 1), false)
  assert.equal(needsMetrics(autoscaler({ minReplicas: 2, maxReplicas: 4 }), 5), false)
  assert.equal(needsMetrics(autoscaler({ minReplicas: 2, maxReplicas: 4 }), 3), true)
  assert.equal(needsMetrics(autoscaler(), 0), false)
})
