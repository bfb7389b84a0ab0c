/** `node test/sim/balance/compare.ts [seed]`: every algorithm in every scenario, on virtual time. */
import { CONTENDERS } from './contenders.ts'
import {
  EQUALS,
  FAIL_FAST,
  JOIN,
  MIXED,
  NEIGHBOURS,
  OVERLOAD,
  RECOVERY,
  SHEDDING,
  SPORADIC,
  STALL,
} from './scenarios.ts'
import { type Contender, percentile, type Scenario, simulate } from './simulate.ts'

const SCENARIOS = [STALL, FAIL_FAST, RECOVERY, SPORADIC, EQUALS, MIXED, NEIGHBOURS, OVERLOAD, SHEDDING, JOIN] as const

export interface Row {
  readonly algorithm: string
  readonly 'success %': number
  readonly 'p50 ms': number
  readonly 'p99 ms': number
  readonly 'p99.9 ms': number
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

export function compare(scenario: Scenario, contenders: readonly Contender[], seed: number): readonly Row[] {
  return contenders.map((contender) => {
    const result = simulate(scenario, contender, seed)
    return {
      algorithm: contender.name,
      'success %': rounded((100 * result.succeeded) / result.requests, 3),
      'p50 ms': rounded(percentile(result, 0.5), 1),
      'p99 ms': rounded(percentile(result, 0.99), 1),
      'p99.9 ms': rounded(percentile(result, 0.999), 1),
    }
  })
}

const PROXIES = [1, 8, 40, 200] as const

/** p99 in ms by the number of proxies that share the load: the more there are, the less each knows. */
function compareProxies(scenario: Scenario, seed: number): readonly Record<string, number | string>[] {
  return CONTENDERS.map((contender) => ({
    algorithm: contender.name,
    ...Object.fromEntries(
      PROXIES.map((proxies) => [
        `${proxies} proxies`,
        rounded(percentile(simulate({ ...scenario, proxies }, contender, seed), 0.99), 1),
      ]),
    ),
  }))
}

if (import.meta.main) {
  const seed = Number(process.argv[2] ?? 1)
  for (const scenario of SCENARIOS) {
    process.stdout.write(`\n${scenario.name} (seed ${seed})\n`)
    console.table(compare(scenario, CONTENDERS, seed))
  }
  for (const scenario of [EQUALS, MIXED]) {
    process.stdout.write(`\n${scenario.name}: p99 in ms by the number of proxies (seed ${seed})\n`)
    console.table(compareProxies(scenario, seed))
  }
}
