/**
 * Nanoseconds per choice of an endpoint, and what the choices are worth where backends are ill:
 * `node bench/balance.bench.ts [--out DIR]`.
 */
import { parseArgs } from 'node:util'
import { ALGORITHMS, type Algorithm, DEFAULT_ALGORITHM } from '../src/proxy/balance/algorithms.ts'
import { BalancedEndpoint } from '../src/proxy/balance/balanced-endpoint.ts'
import { EndpointGroup } from '../src/proxy/balance/endpoint-group.ts'
import { maglevTable } from '../src/proxy/balance/maglev.ts'
import { SUCCEEDED } from '../src/proxy/balance/outcome.ts'
import { FailureAccrual } from '../src/proxy/resilience/failure-accrual.ts'
import { RetryBudget } from '../src/proxy/resilience/retry-budget.ts'
import { printOutcomes } from './balance-outcomes.ts'
import { describeMachine } from './describe-machine.ts'

const COUNTS = [3, 10, 100, 1_000] as const
const ROUNDS = 5
const ROUND_MS = 40
/** Requests under way at once. */
const WINDOW = 64

interface Row {
  readonly what: string
  readonly 'n=3': number
  readonly 'n=10': number
  readonly 'n=100': number
  readonly 'n=1,000': number
}

function endpointsOf(count: number): readonly BalancedEndpoint[] {
  return Array.from(
    { length: count },
    (_, i) => new BalancedEndpoint({ address: `10.0.${i >> 8}.${i & 255}`, port: 80, weight: 1 + (i % 3) }),
  )
}

/** The best of some rounds: what the work costs when nothing comes between. `step` gets a number that grows by 1. */
function nanosecondsPer(step: (i: number) => void): number {
  let best = Number.POSITIVE_INFINITY
  let i = 0
  for (let round = 0; round <= ROUNDS; round++) {
    const began = performance.now()
    let steps = 0
    let tookMs = 0
    while (tookMs < ROUND_MS) {
      for (let k = 0; k < 200; k++) step(i++)
      steps += 200
      tookMs = performance.now() - began
    }
    // The first round is for the compiler.
    if (round > 0) best = Math.min(best, (tookMs * 1e6) / steps)
  }
  return Math.round(best * 10) / 10
}

/** Calls `choose` and keeps the last 64 choices under way, as a proxy would. */
function cycle(
  endpoints: readonly BalancedEndpoint[],
  choose: (i: number) => BalancedEndpoint,
  started: (endpoint: BalancedEndpoint, nowMs: number) => void,
  finished: (endpoint: BalancedEndpoint, nowMs: number, latencyMs: number) => void,
): number {
  const underWay = Array.from({ length: WINDOW }, (_, i) => endpoints[i % endpoints.length]!)
  for (const endpoint of underWay) started(endpoint, 0)
  return nanosecondsPer((i) => {
    const nowMs = i * 0.01
    const place = i % WINDOW
    finished(underWay[place]!, nowMs, 1 + (i & 7))
    const endpoint = choose(i)
    underWay[place] = endpoint
    started(endpoint, nowMs)
  })
}

function row(what: string, measure: (endpoints: readonly BalancedEndpoint[]) => number): Row {
  const [few, some, many, most] = COUNTS.map((count) => measure(endpointsOf(count)))
  return { what, 'n=3': few!, 'n=10': some!, 'n=100': many!, 'n=1,000': most! }
}

function ofAlgorithm(name: Algorithm): Row {
  return row(`${name}: pick, started, finished`, (endpoints) => {
    const balancer = ALGORITHMS[name](Math.random)
    return cycle(
      endpoints,
      (i) => endpoints[balancer.pick(endpoints, i, i * 0.01)]!,
      (endpoint, nowMs) => {
        endpoint.inFlight += 1
        balancer.started(endpoint, nowMs)
      },
      (endpoint, nowMs, latencyMs) => {
        endpoint.inFlight -= 1
        balancer.finished(endpoint, nowMs, latencyMs, SUCCEEDED)
      },
    )
  })
}

/** What the L7 engine pays per request: the group with its default algorithm, slow start, health and a retry budget. */
function ofGroup(): Row {
  return row('group with all of it', (endpoints) => {
    const group = new EndpointGroup({
      createBalancer: () => ALGORITHMS[DEFAULT_ALGORITHM](Math.random),
      random: Math.random,
      slowStart: { windowMs: 10_000 },
      health: new FailureAccrual({ random: Math.random }),
    })
    const budget = new RetryBudget()
    group.replace(endpoints)
    return cycle(
      endpoints,
      (i) => {
        budget.deposit(i * 0.01)
        return group.pick(i, i * 0.01)!
      },
      (endpoint, nowMs) => group.started(endpoint, nowMs),
      (endpoint, nowMs, latencyMs) => group.finished(endpoint, nowMs, latencyMs, SUCCEEDED),
    )
  })
}

/** Nanoseconds per request by number of endpoints, weights 1 to 3, 64 requests under way; prints a table. */
export function run(): readonly Row[] {
  process.stdout.write(`balance: ns per request, by number n of endpoints; ${describeMachine()}\n`)
  const rows = (Object.keys(ALGORITHMS) as Algorithm[]).map(ofAlgorithm)
  rows.push(ofGroup())
  rows.push(row('Maglev: building the table (µs)', (endpoints) => nanosecondsPerTable(endpoints) / 1_000))
  console.table(rows)
  return rows
}

function nanosecondsPerTable(endpoints: readonly BalancedEndpoint[]): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now()
    maglevTable(endpoints)
    best = Math.min(best, performance.now() - began)
  }
  return Math.round(best * 1e4) * 100
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { out: { type: 'string' } } })
  run()
  printOutcomes(values.out)
}
