import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BenchRecord } from '../../../bench/bench-record.ts'
import { BASE, type Comparison, cellName } from '../../../bench/l7-cells.ts'
import { chartsOf } from '../../../bench/l7-charts.ts'

const other = { ...BASE, connections: 256 }
const comparison: Comparison = { name: 'two', title: 'Two', cells: [BASE, other] }
const figures = { requestsPerSecond: 1, p50Ms: 1, p99Ms: 2, p999Ms: 3, errors: 0 }
const record: BenchRecord = {
  format: 1,
  takenAt: '2026-11-25T01:02:03.000Z',
  machine: 'two cores',
  loadAverage: { before: 1, after: 2 },
  secondsPerCell: 2,
  versions: {},
  cells: [
    {
      cell: cellName(BASE),
      proxies: [
        { ...figures, proxy: 'direct', cpuMicros: null, rssMiB: null },
        { ...figures, proxy: 'wherry', cpuMicros: 15, rssMiB: 60 },
      ],
    },
  ],
}

describe('charts of a comparison', () => {
  const charts = chartsOf(record, comparison)

  it('are one for each figure, with what they were measured on', () => {
    assert.deepEqual(
      [...charts.keys()],
      ['cpu', 'rate', 'p99', 'memory'].map((name) => `l7-two-${name}.svg`),
    )
    for (const svg of charts.values()) assert.match(svg, /two cores; load 1 before, 2 at the end; 2026-11-25</)
  })

  it('leave out a bar without a figure and a cell that was not measured', () => {
    const cpu = charts.get('l7-two-cpu.svg')!
    assert.doesNotMatch(cpu, />direct</)
    assert.match(charts.get('l7-two-rate.svg')!, />direct</)
    assert.doesNotMatch(cpu, /c=256/)
  })

  it('are none where no cell was measured', () => {
    assert.equal(chartsOf(record, { ...comparison, cells: [other] }).size, 0)
  })
})
