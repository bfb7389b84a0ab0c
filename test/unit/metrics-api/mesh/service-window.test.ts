import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeMesh } from '../../../../src/controlplane/metrics-api/mesh/decode-mesh.ts'
import type { MeshCollector } from '../../../../src/controlplane/metrics-api/mesh/mesh-collector.ts'
import { MeshMetrics } from '../../../../src/controlplane/metrics-api/mesh/mesh-metrics.ts'
import { ProxyHistory } from '../../../../src/controlplane/metrics-api/mesh/proxy-history.ts'
import {
  shortestWindowMs,
  WINDOW_MS_MAX,
  WINDOW_MS_MIN,
} from '../../../../src/controlplane/metrics-api/mesh/service-window.ts'
import { exponential, seededRandom } from '../../../sim/balance/seeded-random.ts'
import { httpEndpoint, meshSummary } from './mesh-fixture.ts'

/** How many of a great many independent requests come in a second, when `mean` do on average. */
function arrivals(mean: number, random: () => number): number {
  let count = 0
  for (let at = exponential(random, 1 / mean); at < 1; at += exponential(random, 1 / mean)) count += 1
  return count
}

const PODS = ['a', 'bb', 'ccc', 'dddd', 'eeeee']
const SECONDS = 1_200

/** The rate of a Service of five pods that get so many requests a second by chance, as it is seen each second. */
async function seen(perSecond: number): Promise<readonly number[]> {
  const random = seededRandom(perSecond)
  const history = new ProxyHistory()
  const collector = { samples: 0, proxies: () => [history] }
  const metrics = new MeshMetrics(collector as unknown as MeshCollector)
  const totals = PODS.map(() => 0)
  const rates: number[] = []
  for (let at = 1; at <= SECONDS; at++) {
    for (const i of PODS.keys()) totals[i]! += arrivals(perSecond / PODS.length, random)
    // Samples come when they come.
    const takenAtMs = at * 1_000 + Math.round(random() * 50)
    const endpoints = PODS.map((pod, i) => httpEndpoint(pod, totals[i]!))
    await history.take(await decodeMesh(Buffer.from(JSON.stringify(meshSummary(takenAtMs, endpoints)))), at, at)
    collector.samples += 1
    const metric = 'http_requests_per_second'
    const figure = metrics.figure(metric, [...metrics.parts(metric, 'default')])
    if (at > WINDOW_MS_MAX / 1_000) rates.push(figure!.value / perSecond)
  }
  return rates
}

// Autoscalers leave a tenth alone and add what the highest of many glances asks for.
for (const { perSecond, within } of [
  { perSecond: 2_000, within: 0.1 },
  { perSecond: 500, within: 0.17 },
  { perSecond: 150, within: 0.22 },
  { perSecond: 50, within: 0.22 },
  { perSecond: 10, within: 0.45 },
])
  test(`of ${perSecond} requests a second that come by chance, no second looks more than ${within * 100} % off`, async () => {
    const rates = await seen(perSecond)
    const [low, high] = [Math.min(...rates), Math.max(...rates)]
    assert.ok(low > 1 - within && high < 1 + within, `${low} to ${high}`)
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
    assert.ok(Math.abs(mean - 1) < 0.03, `${mean} on average`)
  })

test('the window is as short as what was seen allows', () => {
  const windowAt = (perSecond: number): number => shortestWindowMs((ms) => (perSecond * ms) / 1_000, 400)
  assert.equal(windowAt(10_000), WINDOW_MS_MIN)
  assert.equal(windowAt(200), 2_000)
  assert.equal(windowAt(100), 4_000)
  assert.equal(windowAt(50), 8_000)
  assert.equal(windowAt(1), WINDOW_MS_MAX)
  assert.equal(windowAt(0), WINDOW_MS_MAX)
})
