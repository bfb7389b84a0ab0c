import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerBehavior,
  MetricSpec,
} from '../../../src/api/types/autoscaling-v2.gen.ts'
import { concludeResize } from '../../../src/controlplane/autoscaler/conclude-resize.ts'
import type { MetricReading } from '../../../src/controlplane/autoscaler/metric-reading.ts'
import {
  type AutoscalingObservation,
  needsMetrics,
  planAutoscaling,
} from '../../../src/controlplane/autoscaler/plan-autoscaling.ts'
import type { ScalingHistory } from '../../../src/controlplane/autoscaler/scaling-history.ts'
import { autoscaler, evenUsage, external, NOW, type PodParts, pod, pods, total } from './objects.ts'

const podParts: fc.Arbitrary<PodParts> = fc.record({
  cpu: fc.constantFrom(100, 500, 1_000),
  phase: fc.constantFrom('Running', 'Running', 'Running', 'Pending', 'Failed'),
  startedAgo: fc.constantFrom(5, 60, 299, 301, 5_000),
  ready: fc.constantFrom('True' as const, 'True' as const, 'False' as const, 'Unknown' as const),
  readyChangedAgo: fc.constantFrom(1, 14, 16, 60, 290),
  deleted: fc.constantFrom(false, false, false, true),
})

const rules = fc.record({
  stabilizationWindowSeconds: fc.constantFrom(0, 15, 300, 3_600),
  selectPolicy: fc.constantFrom('Max', 'Min', 'Disabled'),
  policies: fc.array(
    fc.record({
      type: fc.constantFrom('Pods', 'Percent'),
      value: fc.integer({ min: 1, max: 200 }),
      periodSeconds: fc.constantFrom(1, 15, 60, 1_800),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  tolerance: fc.constantFrom('0', '50m', '100m', '2'),
})
const behavior: fc.Arbitrary<HorizontalPodAutoscalerBehavior | undefined> = fc.option(
  fc.record({ scaleUp: rules, scaleDown: rules }),
  { nil: undefined },
)

const averageOfPods: MetricSpec = {
  type: 'Pods',
  pods: { metric: { name: 'requests' }, target: { type: 'AverageValue', averageValue: '10' } },
}
const utilization = (percent: number): MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } },
})

interface Situation {
  readonly autoscaler: HorizontalPodAutoscaler
  readonly observed: AutoscalingObservation
}

const situation: fc.Arbitrary<Situation> = fc
  .record({
    min: fc.nat(5),
    span: fc.nat(20),
    replicas: fc.nat(30),
    parts: fc.array(podParts, { maxLength: 12 }),
    samples: fc.array(fc.option(fc.nat(2_000), { nil: undefined }), { maxLength: 14 }),
    metrics: fc.array(
      fc.constantFrom(
        utilization(50),
        utilization(150),
        averageOfPods,
        external({ averageValue: '3' }),
        external({ value: '40' }),
      ),
      { minLength: 1, maxLength: 3 },
    ),
    sum: fc.nat(200_000),
    fails: fc.nat(7),
    recommendations: fc.array(fc.tuple(fc.nat(4_000), fc.nat(30)), { maxLength: 5 }),
    ups: fc.array(fc.tuple(fc.nat(2_000), fc.integer({ min: 1, max: 10 })), { maxLength: 4 }),
    downs: fc.array(fc.tuple(fc.nat(2_000), fc.integer({ min: 1, max: 10 })), { maxLength: 4 }),
    zero: fc.boolean(),
    behavior,
  })
  .map((given) => {
    const scaled = given.metrics.some(({ type }) => type === 'External')
    const minReplicas = scaled ? given.min : Math.max(1, given.min)
    const samples = new Map(
      given.samples.flatMap((milli, i) => {
        const sample = { milli: milli ?? 0, atMs: NOW - 1_000, windowMs: 15_000 }
        return milli === undefined ? [] : [[`web-${i}`, sample] as const]
      }),
    )
    const readings = given.metrics.map(({ type }, i): MetricReading => {
      if ((given.fails >> i) % 2 === 1) return { kind: 'failed', why: 'so it is' }
      return type === 'External' ? { kind: 'total', milli: given.sum } : { kind: 'pods', samples }
    })
    const past = (list: readonly (readonly [number, number])[]) =>
      list.map(([seconds, count]) => ({ atMs: NOW - seconds * 1000, count })).toSorted((a, b) => a.atMs - b.atMs)
    const history: ScalingHistory = {
      recommendations: past(given.recommendations).map(({ atMs, count }) => ({ atMs, replicas: count })),
      ups: past(given.ups),
      downs: past(given.downs),
    }
    const conditions = given.zero ? [{ type: 'ScaledToZero', status: 'True' }] : []
    return {
      autoscaler: autoscaler(
        {
          minReplicas,
          maxReplicas: Math.max(1, minReplicas) + given.span,
          metrics: given.metrics,
          ...(given.behavior === undefined ? {} : { behavior: given.behavior }),
        },
        { conditions },
      ),
      observed: {
        scale: { replicas: given.replicas, statusReplicas: given.parts.length, selector: 'app=web' },
        pods: given.parts.map((parts, i) => pod(`web-${i}`, parts)),
        readings,
        history,
      },
    }
  })

describe('planAutoscaling, whatever there is', () => {
  test('keeps the bounds, but for nothing that was left alone', () => {
    fc.assert(
      fc.property(situation, ({ autoscaler: of, observed }) => {
        const { resize, status } = planAutoscaling(of, observed, NOW)
        const { minReplicas = 1, maxReplicas } = of.spec
        const { replicas } = observed.scale
        if (resize !== undefined) {
          assert.ok(resize.replicas >= minReplicas && resize.replicas <= maxReplicas, `${resize.replicas}`)
          assert.notEqual(resize.replicas, replicas)
          assert.notEqual(resize.why, '')
        } else if (replicas !== 0) assert.ok(replicas >= minReplicas && replicas <= maxReplicas)
        assert.equal(status.currentReplicas, replicas)
      }),
      { numRuns: 500 },
    )
  })

  test('does not care for the order of pods, samples and metrics', () => {
    const seeds = fc.tuple(fc.integer(), fc.integer())
    fc.assert(
      fc.property(situation, seeds, ({ autoscaler: of, observed }, [a, b]) => {
        const turned = <T>(list: readonly T[], by: number): readonly T[] => {
          const cut = list.length === 0 ? 0 : Math.abs(by) % list.length
          const moved = [...list.slice(cut), ...list.slice(0, cut)]
          return by % 2 === 0 ? moved.toReversed() : moved
        }
        const otherwise = {
          ...observed,
          pods: turned(observed.pods, a),
          readings: observed.readings.map((reading) =>
            reading.kind === 'pods' ? { ...reading, samples: new Map(turned([...reading.samples], b)) } : reading,
          ),
        }
        const [plan, other] = [planAutoscaling(of, observed, NOW), planAutoscaling(of, otherwise, NOW)]
        assert.deepEqual(other.resize, plan.resize)
        assert.deepEqual(other.history, plan.history)
        assert.deepEqual(other.status.currentMetrics, plan.status.currentMetrics)
        const swapped = {
          autoscaler: { ...of, spec: { ...of.spec, metrics: of.spec.metrics!.toReversed() } },
          observed: { ...observed, readings: observed.readings.toReversed() },
        }
        const third = planAutoscaling(swapped.autoscaler, swapped.observed, NOW)
        assert.equal(third.resize?.replicas, plan.resize?.replicas)
      }),
      { numRuns: 500 },
    )
  })

  test('never takes away while a metric has failed', () => {
    fc.assert(
      fc.property(situation, ({ autoscaler: of, observed }) => {
        const { replicas } = observed.scale
        if (!observed.readings.some(({ kind }) => kind === 'failed') || !needsMetrics(of, replicas)) return
        const { resize } = planAutoscaling(of, observed, NOW)
        assert.ok(resize === undefined || resize.replicas > replicas)
      }),
      { numRuns: 500 },
    )
  })

  test('says of every condition why, and changes its time only with its status', () => {
    fc.assert(
      fc.property(situation, ({ autoscaler: of, observed }) => {
        const { status } = planAutoscaling(of, observed, NOW)
        for (const { type, reason, message, lastTransitionTime } of status.conditions ?? []) {
          if (type === 'ScaledToZero') continue
          assert.ok(reason && message && lastTransitionTime, type)
        }
        const again = planAutoscaling({ ...of, status }, observed, NOW + 60_000)
        for (const condition of again.status.conditions ?? []) {
          const before = status.conditions?.find(({ type }) => type === condition.type)
          if (before?.status === condition.status) assert.equal(condition.lastTransitionTime, before.lastTransitionTime)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('planAutoscaling again, after acting', () => {
  // The load is shared by the pods: what one more of them takes on, the others lose.
  const load = fc.record({ replicas: fc.integer({ min: 1, max: 40 }), milli: fc.integer({ min: 1, max: 400_000 }) })

  test('with the same load from outside asks for nothing more', () => {
    fc.assert(
      fc.property(load, ({ replicas, milli }) => {
        const behaving = { scaleUp: { policies: [{ type: 'Percent', value: 100_000, periodSeconds: 1 }] } }
        const of = autoscaler({ maxReplicas: 1_000, metrics: [external({ averageValue: '10' })], behavior: behaving })
        const scale = (size: number) => ({ replicas: size, statusReplicas: size, selector: 'app=web' })
        const seen = { scale: scale(replicas), pods: pods(replicas), readings: [total(milli)], history: undefined }
        const plan = planAutoscaling(of, seen, NOW)
        if (plan.resize === undefined) return
        const { replicas: size } = plan.resize
        const { history, status } = concludeResize(of, { ...plan, resize: plan.resize }, seen.scale, undefined, NOW)
        const then = { scale: scale(size), pods: pods(size), readings: [total(milli)], history }
        assert.equal(planAutoscaling({ ...of, status }, then, NOW + 15_000).resize, undefined)
      }),
    )
  })

  test('with the same use of CPU, spread over the new pods, takes nothing away and stays once it is within the tolerance', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 10, max: 1_500 }), (replicas, each) => {
        const of = autoscaler({ maxReplicas: 10_000, minReplicas: 1 })
        let size = replicas
        let history: ScalingHistory | undefined
        let status = of.status
        for (let tick = 0; tick < 12; tick++) {
          const now = NOW + tick * 15_000
          const observed = {
            scale: { replicas: size, statusReplicas: size, selector: 'app=web' },
            pods: pods(size),
            readings: [evenUsage(size, Math.round((replicas * each) / size))],
            history,
          }
          const current = { ...of, ...(status === undefined ? {} : { status }) }
          const plan = planAutoscaling(current, observed, now)
          const utilizationNow = plan.status.currentMetrics?.[0]?.resource?.current.averageUtilization ?? 0
          // Without a behavior, what a limit held back minutes ago is still made up for.
          const most = Math.max(0, ...(history?.recommendations ?? []).map((one) => one.replicas))
          if (utilizationNow >= 45 && utilizationNow <= 55 && size >= most) assert.equal(plan.resize, undefined)
          ;({ history, status } = plan)
          if (plan.resize === undefined) continue
          assert.ok(plan.resize.replicas > size, `${size} to ${plan.resize.replicas}`)
          const done = concludeResize(current, { ...plan, resize: plan.resize }, observed.scale, undefined, now)
          ;({ history, status } = done)
          size = plan.resize.replicas
        }
      }),
    )
  })
})
