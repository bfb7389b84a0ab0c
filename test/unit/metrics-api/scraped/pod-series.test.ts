import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ScrapedSeries } from '../../../../src/api/scraped-series.ts'
import { PodSeries } from '../../../../src/controlplane/metrics-api/scraped/pod-series.ts'

function counter(value: number, labels: Readonly<Record<string, string>> = {}): ScrapedSeries {
  return { name: 'jobs_total', type: 'counter', labels, value }
}

/** A pod that told these values of one counter, at seconds; undefined: nothing of it. */
function told(...points: readonly (readonly [atSeconds: number, value: number | undefined])[]): number | undefined {
  const series = new PodSeries('default', 'p')
  for (const [at, value] of points)
    series.take({ uid: 'u', atMs: at * 1000, series: value === undefined ? [] : [counter(value)] }, at * 1000)
  const [found] = series.named('jobs_total')
  return found && series.growth(found[0])?.perSecond
}

test('a rate is taken between the first and the last of three samples', () => {
  assert.equal(told([0, 0], [5, 1_000], [10, 1_010], [15, 1_030]), 3)
  assert.equal(told([5, 10], [10, 30]), 4)
})

test('one sample tells no rate', () => {
  assert.equal(told([5, 10]), undefined)
})

test('a counter that began anew is measured from there', () => {
  assert.equal(told([0, 1_000], [5, 10], [10, 30]), 4)
  assert.equal(told([0, 1_000], [5, 2_000], [10, 30]), undefined)
})

test('a series that comes is measured from its first sample, one that is gone not at all', () => {
  assert.equal(told([0, undefined], [5, 10], [10, 30]), 4)
  assert.equal(told([0, 10], [5, 30], [10, undefined]), undefined)
})

test('a clock that was set back, and a long silence, tell no rate', () => {
  assert.equal(told([100, 10], [50, 30]), undefined)
  assert.equal(told([100, 10], [100, 30]), undefined)
  assert.equal(told([0, 10], [100, 30]), undefined)
})

test('label sets are told apart, whatever the order they come in', () => {
  const series = new PodSeries('default', 'p')
  series.take({ uid: 'u', atMs: 1_000, series: [counter(1, { a: '1', b: '2' }), counter(5, { a: '2' })] }, 0)
  series.take({ uid: 'u', atMs: 2_000, series: [counter(15, { a: '2' }), counter(3, { b: '2', a: '1' })] }, 0)
  assert.deepEqual(
    [...series.named('jobs_total')].map(([key]) => series.growth(key)?.perSecond),
    [10, 2],
  )
})
