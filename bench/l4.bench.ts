/**
 * The user-space relay beside the way without it and HAProxy in TCP mode (one thread, as installed), in one run and in
 * turns: throughput, and the CPU time of the relaying process alone. Needs wrk; without HAProxy its rows are missing.
 * `node bench/l4.bench.ts`
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describeMachine } from './describe-machine.ts'
import { LARGE_BYTES, runBackend, runRelay } from './l4-roles.ts'
import { cpuSeconds } from './process-usage.ts'

/** Outside the ranges that clusters take. */
const BACKEND = { address: '127.127.129.1', port: 18_080 }
const ROUNDS = 3
const SECONDS = 2
const WORKLOADS = [
  { name: 'large transfers', path: '/large', clients: 4, per: 'MiB' },
  { name: 'keep-alive requests', path: '/small', clients: 64, per: 'request' },
  { name: 'a connection each', path: '/close', clients: 32, per: 'request' },
] as const
type Workload = (typeof WORKLOADS)[number]

interface Target {
  readonly name: string
  readonly address: string
  readonly port: number
  /** The process whose CPU time counts; none for the way without one. */
  readonly pid: number | undefined
}

interface Sample {
  /** Requests, or MiB of bodies. */
  readonly units: number
  readonly seconds: number
  readonly cpuSeconds: number
}

const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits))
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

function isInstalled(program: string): boolean {
  try {
    execFileSync(program, ['-v'], { stdio: 'ignore' })
    return true
  } catch (error) {
    // wrk prints its version and fails.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

function version(program: string): string {
  return /[\d.]+\d/.exec(execFileSync(program, ['-v'], { encoding: 'utf8' }))?.[0] ?? 'unknown'
}

async function listening(address: string, port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connect(port, address, () => {
        socket.destroy()
        resolve(true)
      }).on('error', () => resolve(false))
    })
    if (connected) return
    await pause(25)
  }
  throw new Error(`nothing listens on ${address}:${port}`)
}

function startRole(...args: readonly (string | number)[]): ChildProcess {
  return spawn(process.execPath, [import.meta.filename, ...args.map(String)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

function haproxyConfig(address: string, port: number): string {
  return `global
  nbthread 1
  maxconn 4096
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen bench
  bind ${address}:${port}
  server backend ${BACKEND.address}:${BACKEND.port}
`
}

async function measure({ address, port, pid }: Target, { path, clients, per }: Workload): Promise<Sample> {
  const before = pid === undefined ? 0 : cpuSeconds(pid)
  const wrk = spawn('wrk', ['-t1', `-c${clients}`, `-d${SECONDS}s`, `http://${address}:${port}${path}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  wrk.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  await new Promise((resolve) => wrk.once('close', resolve))
  const used = pid === undefined ? 0 : cpuSeconds(pid) - before
  const [, requests, seconds, amount, unit] = /(\d+) requests in ([\d.]+)s, ([\d.]+)([KMG]B) read/.exec(text) ?? []
  const errors = /Socket errors: (.*)/.exec(text)?.[1]
  if (requests === undefined || (errors !== undefined && !/^connect 0, read 0, write 0, timeout 0/.test(errors)))
    throw new Error(`wrk against ${address}:${port} said:\n${text}`)
  const mib = Number(amount) * { KB: 1 / 1_024, MB: 1, GB: 1_024 }[unit as 'KB' | 'MB' | 'GB']
  return { units: per === 'MiB' ? mib : Number(requests), seconds: Number(seconds), cpuSeconds: used }
}

function table(workload: Workload, samples: ReadonlyMap<Target, readonly Sample[]>): void {
  const cost = (target: Target): number =>
    median((samples.get(target) ?? []).map(({ units, cpuSeconds: used }) => (used * 1e6) / units))
  const speed = (target: Target): number =>
    median((samples.get(target) ?? []).map(({ units, seconds }) => units / seconds))
  const targets = [...samples.keys()]
  const direct = targets[0]!
  const haproxy = targets.find(({ name }) => name === 'HAProxy')
  process.stdout.write(`${workload.name}, ${workload.clients} connections\n`)
  console.table(
    targets.map((target) => ({
      way: target.name,
      [`${workload.per}/s`]: Math.round(speed(target)),
      'of direct': rounded(speed(target) / speed(direct)),
      [`CPU µs/${workload.per}`]: target.pid === undefined ? undefined : rounded(cost(target), 1),
      'CPU against HAProxy':
        target.pid === undefined || haproxy === undefined ? undefined : rounded(cost(target) / cost(haproxy)),
    })),
  )
}

/** Prints a table a workload; the goal is a CPU time per byte of at most 1.5 times HAProxy's. */
export async function run(): Promise<void> {
  process.stdout.write(`l4: the user-space relay, medians of ${ROUNDS} rounds; ${describeMachine()}\n`)
  if (!isInstalled('wrk')) return void process.stdout.write('skipped: needs wrk (Debian: wrk)\n')
  const children: ChildProcess[] = []
  const directory = mkdtempSync(join(tmpdir(), 'wherry-bench-'))
  try {
    children.push(startRole('backend', BACKEND.address, BACKEND.port))
    await listening(BACKEND.address, BACKEND.port)
    const targets: Target[] = [{ name: 'direct', ...BACKEND, pid: undefined }]
    const wherry = { address: '127.127.16.1', port: 18_081 }
    const relay = startRole('relay', wherry.address, wherry.port, BACKEND.address, BACKEND.port)
    children.push(relay)
    targets.push({ name: 'wherry', ...wherry, pid: relay.pid })
    if (isInstalled('haproxy')) {
      const at = { address: '127.127.16.2', port: 18_082 }
      const config = join(directory, 'haproxy.cfg')
      writeFileSync(config, haproxyConfig(at.address, at.port))
      const haproxy = spawn('haproxy', ['-db', '-q', '-f', config], { stdio: ['ignore', 'ignore', 'inherit'] })
      children.push(haproxy)
      targets.push({ name: 'HAProxy', ...at, pid: haproxy.pid })
      process.stdout.write(`HAProxy ${version('haproxy')}\n`)
    } else process.stdout.write('HAProxy is missing (Debian: haproxy), so there is nothing to compare with\n')
    for (const { address, port } of targets) await listening(address, port)
    for (const workload of WORKLOADS) {
      const samples = new Map<Target, Sample[]>(targets.map((target) => [target, []]))
      for (let round = 0; round < ROUNDS; round++)
        for (const target of targets) samples.get(target)!.push(await measure(target, workload))
      table(workload, samples)
    }
    process.stdout.write(`A large answer has ${LARGE_BYTES / 2 ** 20} MiB, a small one 100 bytes.\n`)
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const [role, address = '', port, endpoint = '', endpointPort] = process.argv.slice(2)
  if (role === 'backend') runBackend(address, Number(port))
  else if (role === 'relay') await runRelay(address, Number(port), endpoint, Number(endpointPort))
  else await run()
}
