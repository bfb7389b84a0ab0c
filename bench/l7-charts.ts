import { type BarChart, barChart } from './bar-chart.ts'
import type { BenchRecord, ProxyFigures } from './bench-record.ts'
import { type Comparison, cellName } from './l7-cells.ts'

const MEASURES: readonly {
  readonly name: string
  readonly subtitle: string
  readonly of: (figures: ProxyFigures) => number | null
}[] = [
  { name: 'cpu', subtitle: 'µs of CPU per request in the proxy; less is better', of: ({ cpuMicros }) => cpuMicros },
  { name: 'rate', subtitle: 'requests per second; more is better', of: ({ requestsPerSecond }) => requestsPerSecond },
  { name: 'p99', subtitle: '99 % of answers came within, in ms; less is better', of: ({ p99Ms }) => p99Ms },
  { name: 'memory', subtitle: 'resident memory in MiB; less is better', of: ({ rssMiB }) => rssMiB },
]

/** Charts of one comparison by file name; one that none of its cells was measured for is left out. */
export function chartsOf(record: BenchRecord, comparison: Comparison): ReadonlyMap<string, string> {
  const source = `${record.machine}; load ${record.loadAverage.before} before, ${record.loadAverage.after} at the end; ${record.takenAt.slice(0, 10)}`
  const charts = new Map<string, string>()
  for (const { name, subtitle, of } of MEASURES) {
    const groups = comparison.cells.flatMap((cell) => {
      const label = cellName(cell)
      const figures = record.cells.find((other) => other.cell === label)
      if (figures === undefined) return []
      const bars = figures.proxies.flatMap((proxy) => {
        const value = of(proxy)
        return value === null ? [] : [{ label: proxy.proxy, value, isOurs: proxy.proxy.startsWith('wherry') }]
      })
      return [{ label, bars }]
    })
    const chart: BarChart = { title: comparison.title, subtitle, source, groups, isScaledByGroup: true }
    if (groups.length > 0) charts.set(`l7-${comparison.name}-${name}.svg`, barChart(chart))
  }
  return charts
}
