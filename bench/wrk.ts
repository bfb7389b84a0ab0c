import { execFileSync } from 'node:child_process'
import { LOAD_CORE } from './pinned-process.ts'

export interface WrkResult {
  readonly requests: number
  /** Answers that are not 2xx or 3xx, and connections that failed. */
  readonly errors: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Closed loop: each of `c` connections asks again when it was answered. */
export function wrk(url: string, c: number, seconds: number, headers: readonly string[] = []): WrkResult {
  const own = headers.flatMap((header) => ['-H', header])
  const args = ['-c', LOAD_CORE, 'wrk', '-t1', `-c${c}`, `-d${seconds}s`, '--latency', ...own, url]
  const text = execFileSync('taskset', args, { encoding: 'utf8' })
  let errors = count(/Non-2xx or 3xx responses: (\d+)/, text)
  for (const [n] of (/Socket errors: (.*)/.exec(text)?.[1] ?? '').matchAll(/\d+/g)) errors += Number(n)
  return {
    requests: count(/(\d+) requests in/, text),
    errors,
    p50Ms: milliseconds(text, '50'),
    p99Ms: milliseconds(text, '99'),
  }
}

const count = (pattern: RegExp, text: string): number => Number(pattern.exec(text)?.[1] ?? 0)

const milliseconds = (text: string, percentile: string): number => {
  const [, value, unit] = new RegExp(`${percentile}%\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? []
  return Number(value) * { us: 0.001, ms: 1, s: 1_000 }[unit as 'us' | 'ms' | 's']
}
