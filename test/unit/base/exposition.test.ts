import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { DurationHistogram } from '../../../src/base/duration-histogram.ts'
import { exposition, type MetricFamily, type MetricSample } from '../../../src/base/metric-families.ts'
import { processMetrics } from '../../../src/base/process-metrics.ts'
import { seriesLine } from '../../../src/base/series-line.ts'
import { VirtualClock } from '../../../src/base/virtual-clock.ts'

const PROMTOOL = spawnSync('promtool', ['--version']).status === 0

function family(samples: () => Iterable<MetricSample>, more: Partial<MetricFamily> = {}): MetricFamily {
  return { name: 'things', type: 'gauge', help: 'Things there are', samples, ...more }
}

test('a family is its head and a line for each sample', async () => {
  const { text, contentType } = await exposition([
    family(() => [{ value: 1 }, { labels: { a: 'x', b: 'y' }, value: 2.5 }]),
  ])
  assert.equal(contentType, 'text/plain; version=0.0.4; charset=utf-8')
  assert.equal(text, '# HELP things Things there are\n# TYPE things gauge\nthings 1\nthings{a="x",b="y"} 2.5\n')
})

test('values that JavaScript writes differently, and what a label may hold', () => {
  assert.equal(seriesLine('a', undefined, Number.POSITIVE_INFINITY), 'a +Inf\n')
  assert.equal(seriesLine('a', {}, Number.NEGATIVE_INFINITY), 'a -Inf\n')
  assert.equal(seriesLine('a', {}, Number.NaN), 'a NaN\n')
  assert.equal(seriesLine('a', { l: 'q"b\\n\n', none: undefined }, 0), 'a{l="q\\"b\\\\n\\n",none=""} 0\n')
  assert.ok(seriesLine('a', { l: 'x'.repeat(10_000) }, 0).length < 600)
})

test('a histogram’s buckets hold all that is below, with the labels it is asked for with', () => {
  const durations = new DurationHistogram([0.1, 1])
  for (const seconds of [0.05, 0.1, 0.5, 7]) durations.observe(seconds)
  assert.deepEqual(
    durations.samples('d', { a: 'b' }).map(({ metricName, labels, value }) => [metricName, labels, value]),
    [
      ['d_bucket', { a: 'b', le: '0.1' }, 2],
      ['d_bucket', { a: 'b', le: '1' }, 3],
      ['d_bucket', { a: 'b', le: '+Inf' }, 4],
      ['d_sum', { a: 'b' }, 7.65],
      ['d_count', { a: 'b' }, 4],
    ],
  )
})

test('other work has its turn while much is written', async () => {
  const many = Array.from({ length: 100_000 }, (_, i) => ({ labels: { i: String(i) }, value: i }))
  let turns = 0
  let isDone = false
  const turn = (): void => {
    turns += 1
    if (!isDone) setImmediate(turn)
  }
  setImmediate(turn)
  await exposition([family(() => many)])
  isDone = true
  assert.ok(turns > 2, String(turns))
})

test('what a process tells of itself passes promtool', {
  skip: !PROMTOOL && 'needs promtool (Debian package prometheus)',
}, async () => {
  const { text } = await exposition(processMetrics(new VirtualClock()))
  const { stdout, stderr, status } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  assert.equal(`${stdout}${stderr}`, '')
  assert.equal(status, 0)
  for (const name of [
    'process_max_fds',
    'process_virtual_memory_bytes',
    'process_open_fds',
    'nodejs_heap_size_used_bytes',
  ])
    assert.match(text, new RegExp(`^${name} [1-9]`, 'm'))
})
