/** Commits of the SQLite store: `node bench/store.bench.ts`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openSqliteStore } from '../src/controlplane/store/sqlite-store.ts'
import { describeMachine } from './describe-machine.ts'

const VALUE = Buffer.alloc(1_500, 'x')
const CASES = [
  { clients: 1, commits: 4_000 },
  { clients: 16, commits: 30_000 },
  { clients: 64, commits: 40_000 },
] as const

interface Row {
  readonly clients: number
  readonly 'commits/s': number
  readonly 'p50 ms': number
  readonly 'p99 ms': number
  /** How long the event loop of the caller was held up. */
  readonly 'loop p99 ms': number
}

const rounded = (value: number): number => Math.round(value * 100) / 100

async function measure(directory: string, clients: number, commits: number): Promise<Row> {
  const path = join(directory, `${clients}`, 'wherry.db')
  const store = await openSqliteStore({
    path,
    onFailure: (error) => {
      throw error
    },
  })
  const latencies = new Float64Array(commits)
  let next = 0
  const client = async (): Promise<void> => {
    while (next < commits) {
      const i = next++
      // Scattered over the key space, as names are.
      const key = `/registry/pods/default/pod-${(i * 7_919) % commits}`
      const began = performance.now()
      await store.commit({ expect: [{ key, modRevision: 0n }], puts: [{ key, value: VALUE }], deletes: [] })
      latencies[i] = performance.now() - began
    }
  }
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const began = performance.now()
  await Promise.all(Array.from({ length: clients }, client))
  const seconds = (performance.now() - began) / 1_000
  delay.disable()
  await store.close()
  latencies.sort()
  return {
    clients,
    'commits/s': Math.round(commits / seconds),
    'p50 ms': rounded(latencies[Math.floor(commits * 0.5)]!),
    'p99 ms': rounded(latencies[Math.floor(commits * 0.99)]!),
    'loop p99 ms': rounded(delay.percentile(99) / 1e6),
  }
}

/** Creates of 1.5 KB objects with an expectation, each acknowledged after its fsync; prints a table. */
export async function run(): Promise<readonly Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-bench-'))
  try {
    process.stdout.write(`store: durable creates of 1.5 KB; ${describeMachine()}\n`)
    const rows: Row[] = []
    for (const { clients, commits } of CASES) rows.push(await measure(directory, clients, commits))
    console.table(rows)
    return rows
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

if (import.meta.main) await run()
