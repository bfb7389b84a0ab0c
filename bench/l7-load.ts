import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LOAD_CORE } from './pinned-process.ts'

/** What a closed loop of clients saw. */
export interface LoadFigures {
  readonly requests: number
  readonly seconds: number
  /** Answers that are not 2xx or 3xx, and connections that failed. */
  readonly errors: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
}

export interface LoadOptions {
  readonly url: string
  readonly connections: number
  readonly seconds: number
  readonly headers?: readonly string[]
  /** Sends a POST with so much in it. Default: a GET. */
  readonly bodyBytes?: number
}

const SCRIPT = join(import.meta.dirname, 'wrk-figures.lua')
/** The longest answer it waits for, as large bodies over many connections need. */
const TIMEOUT_SECONDS = 30
const run = promisify(execFile)

/** wrk with one thread, on the core of the load. */
export async function loadHttp1({
  url,
  connections,
  seconds,
  headers = [],
  bodyBytes = 0,
}: LoadOptions): Promise<LoadFigures> {
  const own = headers.flatMap((header) => ['-H', header])
  const load = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    `${TIMEOUT_SECONDS}s`,
    '-s',
    SCRIPT,
    ...own,
    url,
  ]
  const env = { ...process.env, WRK_BODY_BYTES: `${bodyBytes}` }
  return parseFigures((await run('taskset', ['-c', LOAD_CORE, 'wrk', ...load], { env })).stdout)
}

/** Of the line that `wrk-figures.lua` writes, in which times are microseconds. */
export function parseFigures(text: string): LoadFigures {
  const match = /^figures (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(text)
  if (match === null) throw new Error(`wrk did not report its figures: ${text}`)
  const [requests, micros, errors, p50, p99, p999] = match.slice(1).map(Number)
  return {
    requests: requests!,
    seconds: micros! / 1e6,
    errors: errors!,
    p50Ms: p50! / 1_000,
    p99Ms: p99! / 1_000,
    p999Ms: p999! / 1_000,
  }
}
