/**
 * Whether connections to endpoints are to be shared: `node bench/sharing.bench.ts [rounds]`. wherry with sharing off, on
 * whatever happens, and by its rule, before endpoints that are fast, slow, mixed, and that work off one connection's
 * requests strictly one after another. The figures of docs/decisions/0008-sharing-of-upstream-connections.md.
 */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { describeMachine } from './describe-machine.ts'
import type { BackendRole } from './l7-roles.ts'
import { accepts, freePort, isInstalled, LOAD_CORE, PROXY_CORE, pinned, stop } from './pinned-process.ts'
import { cpuSeconds } from './process-usage.ts'
import { wrk } from './wrk.ts'

const SECONDS = 2
const CONNECTIONS = [64, 256] as const
const L7 = join(import.meta.dirname, 'l7.bench.ts')

const BACKENDS: readonly { readonly name: string; readonly role: Omit<BackendRole, 'port'> }[] = [
  { name: 'fast', role: { delays: [], isSerial: false } },
  { name: 'fast, one after another', role: { delays: [], isSerial: true } },
  { name: 'slow: 5–50 ms', role: { delays: [{ part: 1, fromMs: 5, toMs: 50 }], isSerial: false } },
  { name: 'slow, one after another', role: { delays: [{ part: 1, fromMs: 5, toMs: 50 }], isSerial: true } },
  { name: 'mixed: 1 in 20 5–50 ms', role: { delays: [{ part: 0.05, fromMs: 5, toMs: 50 }], isSerial: false } },
  {
    name: 'mixed, one after another',
    role: { delays: [{ part: 0.05, fromMs: 5, toMs: 50 }], isSerial: true },
  },
  { name: 'rarely slow: 1 in 1,000 20 ms', role: { delays: [{ part: 0.001, fromMs: 20, toMs: 20 }], isSerial: true } },
]

const MODES = {
  off: { depthMax: 1 },
  // As deep as it goes, never measured anew, no stall moved.
  always: { fastMs: 1e6, waitMs: 1e6, stallMs: 1e5, renewMs: 1e9 },
  rule: {},
} as const

interface Cell {
  readonly name: string
  readonly port: number
  readonly child: ChildProcess
  cpu: number
  requests: number
  readonly p50: number[]
  readonly p99: number[]
}

const median = (values: readonly number[]): number => values.toSorted((x, y) => x - y)[values.length >> 1] ?? Number.NaN
const rounded = (value: number): number => Number(value.toFixed(2))

function serve(core: string, role: string, options: object): ChildProcess {
  return pinned(core, process.execPath, [L7, '--serve', role, JSON.stringify(options)])
}

async function measure(name: string, role: Omit<BackendRole, 'port'>, rounds: number): Promise<void> {
  const backend = await freePort()
  const children = [serve(LOAD_CORE, 'backend', { port: backend, ...role })]
  try {
    await accepts(backend)
    for (const c of CONNECTIONS) {
      const cells: Cell[] = []
      for (const [mode, pipelining] of Object.entries(MODES)) {
        const port = await freePort()
        const child = serve(PROXY_CORE, 'wherry', { port, backend, pipelining })
        children.push(child)
        await accepts(port)
        cells.push({ name: mode, port, child, cpu: 0, requests: 0, p50: [], p99: [] })
      }
      for (const { port } of cells) wrk(`http://127.0.0.1:${port}/`, c, 2)
      for (let round = 0; round < rounds; round++) {
        for (const cell of cells) {
          const before = cpuSeconds(cell.child.pid!)
          const { requests, p50Ms, p99Ms } = wrk(`http://127.0.0.1:${cell.port}/`, c, SECONDS)
          cell.cpu += cpuSeconds(cell.child.pid!) - before
          cell.requests += requests
          cell.p50.push(p50Ms)
          cell.p99.push(p99Ms)
        }
      }
      for (const { child } of cells) await stop(child)
      process.stdout.write(`\n${name}, c=${c}\n`)
      console.table(
        cells.map(({ name: sharing, cpu, requests, p50, p99 }) => ({
          sharing,
          'req/s': Math.round(requests / rounds / SECONDS),
          'CPU µs/req': rounded((cpu * 1e6) / requests),
          'p50 ms': rounded(median(p50)),
          'p99 ms': rounded(median(p99)),
        })),
      )
    }
  } finally {
    for (const child of children) await stop(child)
  }
}

const rounds = Number(process.argv[2] ?? 2)
const missing = ['wrk', 'taskset'].filter((command) => !isInstalled(command))
if (missing.length > 0) process.stdout.write(`left out: ${missing.join(', ')} not installed\n`)
else {
  process.stdout.write(`${describeMachine()}; ${rounds} × ${SECONDS} s each, answers of 1 KiB\n`)
  for (const { name, role } of BACKENDS) await measure(name, role, rounds)
}
