import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type BarGroup, barChart } from '../../../bench/bar-chart.ts'

const widths = (svg: string): readonly number[] =>
  [...svg.matchAll(/<rect class="bar[^"]*"[^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width))

const groups: readonly BarGroup[] = [
  {
    label: 'small',
    bars: [
      { label: 'a', value: 10 },
      { label: 'b', value: 5, isOurs: true },
    ],
  },
  { label: 'large', bars: [{ label: 'a', value: 1_000 }] },
]

describe('a chart of bars', () => {
  it('draws all on one scale, or each group on its own', () => {
    const [ten, five, thousand] = widths(barChart({ title: 't', subtitle: 's', groups }))
    assert.ok(thousand! > 90 * ten! && ten! > five!)
    const [own, half, other] = widths(barChart({ title: 't', subtitle: 's', groups, isScaledByGroup: true }))
    assert.equal(own, other)
    assert.equal(half, own! / 2)
  })

  it('lets one bar stand out and writes every value beside its bar', () => {
    const svg = barChart({ title: 't', subtitle: 's', groups })
    assert.equal(svg.match(/class="bar-ours"/g)?.length, 1)
    for (const value of ['10.0', '5.00', '1,000']) assert.match(svg, new RegExp(`>${value}</text>`))
  })

  it('keeps what is in a name from being markup', () => {
    const bars = [{ label: '<script>&"', value: 1 }]
    const svg = barChart({ title: 'a < b', subtitle: '"s"', source: '>', groups: [{ label: '<g>', bars }] })
    assert.doesNotMatch(svg, /<script>|<g>|aria-label="a </)
    assert.match(svg, /&lt;script&gt;&amp;&quot;/)
  })

  it('has a place for what is nothing, unknown or less than nothing', () => {
    const bars = [0, Number.NaN, Number.POSITIVE_INFINITY, -3].map((value, i) => ({ label: `${i}`, value }))
    const svg = barChart({ title: 't', subtitle: 's', groups: [{ label: 'g', bars }] })
    assert.deepEqual(widths(svg), [0, 0, 0, 0])
    assert.equal(svg.match(/unknown/g)?.length, 2)
    assert.doesNotMatch(svg, /width="(NaN|Infinity|-)/)
  })

  it('is as tall as its groups need, and empty without any', () => {
    const height = (of: readonly BarGroup[]): number =>
      Number(/<svg[^>]* height="(\d+)"/.exec(barChart({ title: 't', subtitle: 's', groups: of }))?.[1])
    assert.ok(height(groups) > height(groups.slice(0, 1)))
    assert.ok(height([]) > 0)
  })
})
