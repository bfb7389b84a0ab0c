import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { HorizontalPodAutoscalerBehavior, MetricSpec } from '../../../src/api/types/autoscaling-v2.gen.ts'
import { changesOf, REQUESTS_PER_SECOND_MAX, type Second, simulateLoad, turnsOf } from './load-simulation.ts'
import { autoscaler, CPU_50, external } from './objects.ts'

const MOST = 60
const HOUR = 3_600

const METRICS: readonly { readonly name: string; readonly metric: MetricSpec }[] = [
  { name: 'half of the CPU', metric: CPU_50 },
  { name: '50 requests a second', metric: external({ averageValue: '50' }) },
]

function run(
  metric: MetricSpec,
  load: (atSeconds: number) => number,
  behavior?: HorizontalPodAutoscalerBehavior,
): Promise<readonly Second[]> {
  const spec = { maxReplicas: MOST, metrics: [metric], ...(behavior === undefined ? {} : { behavior }) }
  return simulateLoad({ autoscaler: autoscaler(spec), seconds: HOUR, replicas: 2, load })
}

function between(log: readonly Second[], from: number, to: number): readonly Second[] {
  return log.filter(({ atSeconds }) => atSeconds >= from && atSeconds < to)
}

/** Pods that are half busy with this load. */
function enough(requestsPerSecond: number): number {
  return Math.ceil(requestsPerSecond / (REQUESTS_PER_SECOND_MAX / 2))
}

for (const { name, metric } of METRICS)
  describe(`an hour, aiming at ${name} a pod`, () => {
    test('steady load: the size is found and kept', async () => {
      const log = await run(metric, () => 180)
      assert.equal(turnsOf(log), 0)
      const [late] = between(log, 600, HOUR)
      for (const second of between(log, 600, HOUR)) {
        assert.equal(second.wanted, late!.wanted)
        assert.equal(second.queue, 0)
      }
      assert.ok(Math.abs(late!.wanted - enough(180)) <= 1, `${late!.wanted}`)
    })

    test('a step to ten times as much: up within three minutes, down five minutes after its end, and no flapping', async () => {
      const log = await run(metric, (at) => (at >= 600 && at < 1_800 ? 1_000 : 100))
      assert.ok(between(log, 780, 800).every(({ serving }) => serving >= enough(1_000)))
      assert.ok(between(log, 1_500, 1_800).every(({ queue, busy }) => queue === 0 && busy <= 0.55))
      // Until the windows of the highest recommendation have passed, nothing is taken away.
      const end = between(log, 1_800, 2_100)
      assert.equal(new Set(end.map(({ wanted }) => wanted)).size, 1)
      assert.equal(log.at(-1)!.wanted, 2)
      assert.equal(turnsOf(log), 1)
    })

    test('a ramp: the size follows, never back, and nothing ever waits', async () => {
      const load = (at: number): number => Math.min(2_000, 100 + at * 1.05)
      const log = await run(metric, load)
      assert.equal(turnsOf(log), 0)
      assert.equal(Math.max(...log.map(({ queue }) => queue)), 0)
      // Within the tolerance of a tenth, and the two minutes that a pod and its first samples take.
      for (const { atSeconds, serving } of log)
        assert.ok(serving >= Math.floor(enough(load(Math.max(0, atSeconds - 120))) / 1.2), `${atSeconds}: ${serving}`)
    })

    test('a spike of half a minute: gone after its window, and once', async () => {
      const log = await run(metric, (at) => (at >= 600 && at < 630 ? 1_000 : 100))
      assert.ok(turnsOf(log) <= 1)
      assert.ok(between(log, 0, 600).every(({ wanted }) => wanted === 2))
      assert.ok(between(log, 1_200, HOUR).every(({ wanted, queue }) => wanted === 2 && queue === 0))
      assert.ok(log.every(({ wanted }) => wanted <= enough(1_000)))
    })

    test('waves of twenty minutes: one turn at each crest and each trough', async () => {
      const log = await run(metric, (at) => 600 + 500 * Math.sin((2 * Math.PI * at) / 1_200))
      assert.ok(turnsOf(log) <= 6, `${turnsOf(log)} turns`)
      // The first wave meets a service of two pods; the others find it as the one before has left it.
      assert.equal(Math.max(...between(log, 900, HOUR).map(({ queue }) => queue)), 0)
      for (const { wanted } of between(log, 1_200, HOUR))
        assert.ok(wanted >= 5 && wanted <= enough(1_100) + 1, `${wanted}`)
    })

    test('one pod a minute down, two a minute up: no minute sees more', async () => {
      const rule = (value: number) => ({
        stabilizationWindowSeconds: 0,
        policies: [{ type: 'Pods', value, periodSeconds: 60 }],
      })
      const log = await run(metric, (at) => (at >= 300 && at < 1_500 ? 1_000 : 100), {
        scaleUp: rule(2),
        scaleDown: rule(1),
      })
      const changes = changesOf(log)
      assert.ok(changes.length > 10)
      for (const [at] of changes) {
        const minute = changes.filter(([other]) => other > at - 60 && other <= at)
        const sum = (sign: number): number =>
          minute.reduce((all, [, from, to]) => all + Math.max(0, sign * (to - from)), 0)
        assert.ok(sum(1) <= 2 && sum(-1) <= 1, `at ${at}`)
      }
    })
  })

test('whatever the load, the bounds hold, and once it is steady the size comes to rest with nothing waiting', async () => {
  const stretch = fc.record({ seconds: fc.integer({ min: 1, max: 300 }), requests: fc.integer({ min: 0, max: 2_500 }) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(stretch, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 2_400 }),
      fc.constantFrom(...METRICS.map(({ metric }) => metric)),
      async (stretches, last, metric) => {
        const load = (at: number): number => {
          let end = 0
          for (const { seconds, requests } of stretches) {
            end += seconds
            if (at < end) return requests
          }
          return last
        }
        const log = await run(metric, load)
        for (const { wanted } of log) assert.ok(wanted >= 1 && wanted <= MOST)
        const rest = between(log, 3_000, HOUR)
        assert.equal(new Set(rest.map(({ wanted }) => wanted)).size, 1)
        assert.equal(rest.at(-1)!.queue, 0)
      },
    ),
    { numRuns: 25 },
  )
})
