import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compare, type Row } from '../test/sim/balance/compare.ts'
import { CONTENDERS, DEFAULT_CONTENDER } from '../test/sim/balance/contenders.ts'
import { EQUALS, ILL_AT_90, ILL_AT_110, ILL_SHEDDING, STALL } from '../test/sim/balance/scenarios.ts'
import type { Scenario } from '../test/sim/balance/simulate.ts'
import { type BarGroup, barChart } from './bar-chart.ts'

const SEED = 1
const SCENARIOS: readonly Scenario[] = [STALL, EQUALS, ILL_AT_90, ILL_AT_110, ILL_SHEDDING]

/** What others measured, by scenario and algorithm. */
const PUBLISHED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // Linkerd, 2016: success of round robin, least loaded and peak EWMA.
  [STALL.name]: { 'round-robin': '95 %', 'rif-p2c': '99 %', 'p2c-peak-ewma': '99.9 %' },
  // An independent comparison at 90 % load on servers of its own: the order is what can be compared, not the times.
  [EQUALS.name]: {
    random: 'p99 282 ms',
    'round-robin': 'p99 258 ms',
    'client-side-wrr': 'p99 277 ms',
    'rif-p2c': 'p99 130 ms',
    'prequal, probing': 'p99 93 ms',
  },
}

/**
 * What the algorithms make of backends that are ill, on virtual time with the balancers of the product: tables, and a
 * chart of each in `out` (default: a new directory for temporary files).
 */
export function printOutcomes(out = mkdtempSync(join(tmpdir(), 'wherry-balance-'))): void {
  mkdirSync(out, { recursive: true })
  const failed: BarGroup[] = []
  const slow: BarGroup[] = []
  for (const [i, scenario] of SCENARIOS.entries()) {
    process.stderr.write(`[${i + 1} of ${SCENARIOS.length}] ${scenario.name}\n`)
    const rows = compare(scenario, [...CONTENDERS, DEFAULT_CONTENDER], SEED)
    const published = PUBLISHED[scenario.name]
    process.stdout.write(`\n${scenario.name} (simulated, seed ${SEED})\n`)
    console.table(
      rows.map((row) => (published === undefined ? row : { ...row, published: published[row.algorithm] ?? '–' })),
    )
    // Where nothing fails there is nothing to draw.
    const part = (of: (row: Row) => number): BarGroup => ({
      label: scenario.name,
      bars: rows.map((row) => ({
        label: row.algorithm,
        value: of(row),
        isOurs: row.algorithm === DEFAULT_CONTENDER.name,
      })),
    })
    if (rows.some((row) => row['success %'] < 100)) failed.push(part((row) => 100 - row['success %']))
    slow.push(part((row) => row['p99 ms']))
  }
  const source = `simulated on virtual time, seed ${SEED}`
  const charts = {
    'balance-failed.svg': barChart({
      title: 'Requests that failed, by balancing algorithm',
      subtitle: '% of the requests; less is better',
      source,
      groups: failed,
      isScaledByGroup: true,
    }),
    'balance-p99.svg': barChart({
      title: 'Slowest answers, by balancing algorithm',
      subtitle: 'p99 in ms, a request that failed counted as long as its client waited; less is better',
      source,
      groups: slow,
      isScaledByGroup: true,
    }),
  }
  for (const [name, svg] of Object.entries(charts)) writeFileSync(join(out, name), svg)
  process.stdout.write(`\nsaved: ${Object.keys(charts).join(', ')} in ${out}\n`)
}
