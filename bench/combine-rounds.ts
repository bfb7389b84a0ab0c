import type { ProxyFigures } from './bench-record.ts'
import { percentile } from './percentile.ts'

/** One proxy's turn in one round. */
export interface Round {
  readonly requests: number
  readonly seconds: number
  /** null: there is no proxy whose time it could be. */
  readonly cpuSeconds: number | null
  readonly errors: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
}

/** Costs and rates over all rounds; of times to answer the median round, so that a disturbed one does not count. */
export function combineRounds(rounds: readonly Round[]): Omit<ProxyFigures, 'proxy' | 'rssMiB'> {
  const sum = (of: (round: Round) => number): number => rounds.reduce((total, round) => total + of(round), 0)
  const median = (of: (round: Round) => number): number =>
    percentile(
      rounds.map(of).sort((a, b) => a - b),
      0.5,
    )
  const requests = sum((round) => round.requests)
  const isMeasured = requests > 0 && rounds.every((round) => round.cpuSeconds !== null)
  return {
    cpuMicros: isMeasured ? (sum((round) => round.cpuSeconds ?? 0) * 1e6) / requests : null,
    requestsPerSecond: requests / sum((round) => round.seconds),
    p50Ms: median((round) => round.p50Ms),
    p99Ms: median((round) => round.p99Ms),
    p999Ms: median((round) => round.p999Ms),
    errors: sum((round) => round.errors),
  }
}
