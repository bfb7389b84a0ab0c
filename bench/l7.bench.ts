/**
 * The HTTP hot path beside its peers: `node bench/l7.bench.ts [rounds] [scenario …]`. Each proxy runs alone on one core,
 * load and the backend (nginx) share the other. Only ratios within one run count.
 */

import type { ChildProcess } from 'node:child_process'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeMachine } from './describe-machine.ts'
import { nginx, PEERS, type Peer } from './l7-peers.ts'
import {
  type LoadRole,
  runBackend,
  runFastify,
  runHttpProxy,
  runHttpProxy3,
  runLoad,
  runUndici,
  runWherry,
} from './l7-roles.ts'
import type { OpenLoopResult } from './open-loop.ts'
import { accepts, freePort, isInstalled, LOAD_CORE, stop } from './pinned-process.ts'
import { cpuSeconds, memoryMiB } from './process-usage.ts'
import { wrk } from './wrk.ts'

const WARM_REQUESTS = 40_000
const WARM_TURNS_MAX = 6
const SLICE_SECONDS = 2
const OFFERED_PART = 0.7
const OFFERED_SECONDS = 3
const IDLE_CONNECTIONS = 6_000
const LARGE_BYTES = 64 * 1024

interface Scenario {
  readonly name: string
  readonly c: number
  readonly path: string
  readonly headers?: readonly string[]
  readonly isTls?: boolean
  /** Which peers take part; default: all. */
  readonly peers?: readonly string[]
}

const MAIN = ['nginx', 'haproxy', 'wherry', 'wherry, connections not shared']

const SCENARIOS: readonly Scenario[] = [
  { name: 'kept 64', c: 64, path: '/' },
  { name: 'kept 256', c: 256, path: '/', peers: MAIN },
  { name: 'new connections 64', c: 64, path: '/', headers: ['Connection: close'], peers: MAIN },
  { name: 'bodies of 64 KiB 64', c: 64, path: '/large', peers: MAIN },
  { name: 'TLS kept 64', c: 64, path: '/', isTls: true, peers: MAIN },
]

interface Running {
  readonly name: string
  readonly port: number
  readonly child: ChildProcess
}

/** Sums of one proxy's slices. */
interface Sums {
  requests: number
  cpu: number
  errors: number
  readonly p50: number[]
  readonly p99: number[]
}

interface Bench {
  readonly directory: string
  readonly backend: number
  readonly tls: { readonly certificateFile: string; readonly keyFile: string } | undefined
}

const median = (values: readonly number[]): number => values.toSorted((x, y) => x - y)[values.length >> 1] ?? Number.NaN
const rounded = (value: number): number => Number(value.toFixed(2))

async function startPeers(bench: Bench, peers: readonly Peer[], isTls: boolean): Promise<readonly Running[]> {
  const running: Running[] = []
  try {
    for (const { name, start } of peers) {
      const port = await freePort()
      const { directory, backend, tls } = bench
      const child = start({ port, backend, directory, ...(isTls && tls !== undefined ? { tls } : {}) })
      if (child === undefined) {
        process.stdout.write(`left out: ${name} is not installed\n`)
        continue
      }
      running.push({ name, port, child })
      await accepts(port)
    }
    return running
  } catch (error) {
    for (const { child } of running) await stop(child)
    throw error
  }
}

/** All proxies in turn, again and again, so that whatever else the machine does falls on all of them alike. */
function measure(running: readonly Running[], scenario: Scenario, rounds: number): readonly Sums[] {
  const { c, path, headers, isTls } = scenario
  const url = (port: number): string => `${isTls === true ? 'https' : 'http'}://127.0.0.1:${port}${path}`
  const sums = running.map((): Sums => ({ requests: 0, cpu: 0, errors: 0, p50: [], p99: [] }))
  for (const { port } of running) {
    // Until what is compiled while running has been.
    for (let warm = 0, turns = 0; warm < WARM_REQUESTS && turns < WARM_TURNS_MAX; turns++) {
      warm += wrk(url(port), c, 1, headers).requests
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const [i, { port, child }] of running.entries()) {
      const own = sums[i]!
      const before = cpuSeconds(child.pid!)
      const { requests, errors, p50Ms, p99Ms } = wrk(url(port), c, SLICE_SECONDS, headers)
      own.cpu += cpuSeconds(child.pid!) - before
      own.requests += requests
      own.errors += errors
      own.p50.push(p50Ms)
      own.p99.push(p99Ms)
    }
  }
  return sums
}

async function runScenario(bench: Bench, scenario: Scenario, rounds: number): Promise<void> {
  if (scenario.isTls === true && bench.tls === undefined) {
    process.stdout.write(`left out: ${scenario.name}: openssl is not installed\n`)
    return
  }
  const peers = PEERS.filter(({ name }) => scenario.peers?.includes(name) ?? true)
  const running = await startPeers(bench, peers, scenario.isTls === true)
  try {
    const sums = measure(running, scenario, rounds)
    const costs = sums.map(({ cpu, requests }) => (cpu * 1e6) / requests)
    const best = Math.min(...costs.filter((_, i) => ['nginx', 'haproxy'].includes(running[i]!.name)))
    process.stdout.write(`\n${scenario.name}\n`)
    console.table(
      running.map(({ name, child }, i) => ({
        proxy: name,
        'req/s': Math.round(sums[i]!.requests / rounds / SLICE_SECONDS),
        'CPU µs/req': rounded(costs[i]!),
        'of the better peer': rounded(costs[i]! / best),
        'p50 ms': rounded(median(sums[i]!.p50)),
        'p99 ms': rounded(median(sums[i]!.p99)),
        'RSS MiB': Math.round(memoryMiB(child.pid!).rss),
        errors: sums[i]!.errors,
      })),
    )
    if (scenario.name === 'kept 64')
      await offer(
        running.filter(({ name }) => MAIN.includes(name)),
        sums,
        rounds,
      )
  } finally {
    for (const { child } of running) await stop(child)
  }
}

/** The same load for all: 70 % of what nginx takes, each request's time counted from when it was due. */
async function offer(running: readonly Running[], sums: readonly Sums[], rounds: number): Promise<void> {
  const at = running.findIndex(({ name }) => name === 'nginx')
  if (at === -1) return
  const load = async (port: number, rate: number, seconds: number): Promise<OpenLoopResult> => {
    const role: LoadRole = { port, c: 64, rate, seconds, answerBytes: await answerBytes(port) }
    const args = ['-c', LOAD_CORE, process.execPath, import.meta.filename, '--serve', 'load', JSON.stringify(role)]
    return JSON.parse(execFileSync('taskset', args, { encoding: 'utf8' })) as OpenLoopResult
  }
  // The client shares its core with the backend and takes more of it than wrk: it may be what offers no more.
  const wrkRate = sums[at]!.requests / rounds / SLICE_SECONDS
  const capacity = (await load(running[at]!.port, wrkRate, 2)).answeredPerSecond
  const rate = Math.round(capacity * OFFERED_PART)
  const results = running.map((): OpenLoopResult[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, { port }] of running.entries()) results[i]!.push(await load(port, rate, OFFERED_SECONDS))
  }
  process.stdout.write(`\n${rate} requests/s offered (${OFFERED_PART} of what nginx answered), 64 connections\n`)
  console.table(
    running.map(({ name }, i) => ({
      proxy: name,
      'p50 ms': rounded(median(results[i]!.map(({ p50Ms }) => p50Ms))),
      'p99 ms': rounded(median(results[i]!.map(({ p99Ms }) => p99Ms))),
      'p99.9 ms': rounded(median(results[i]!.map(({ p999Ms }) => p999Ms))),
    })),
  )
}

/** Length of one answer, head and all: it is the same each time but for ids of one length. */
async function answerBytes(port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: bench\r\n\r\n')
  let bytes = Buffer.alloc(0)
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer])
    const end = bytes.indexOf('\r\n\r\n')
    const length = Number(/content-length: (\d+)/i.exec(bytes.toString('latin1'))?.[1])
    if (end !== -1 && bytes.length >= end + 4 + length) return end + 4 + length
  }
  throw new Error('no answer')
}

/** Connections that have asked once and are kept. */
async function measureIdle(bench: Bench): Promise<void> {
  const rows: Record<string, unknown>[] = []
  const running = await startPeers(
    bench,
    PEERS.filter(({ name }) => MAIN.slice(0, 3).includes(name)),
    false,
  )
  try {
    for (const { name, port, child } of running) {
      wrk(`http://127.0.0.1:${port}/`, 64, 2)
      const sockets: Socket[] = []
      const ask = async (): Promise<void> => {
        const socket = connect(port, '127.0.0.1')
        sockets.push(socket)
        socket.write('GET / HTTP/1.1\r\nHost: bench\r\n\r\n')
        await once(socket, 'data')
        socket.resume()
      }
      const openMany = async (n: number): Promise<void> => {
        for (let i = 0; i < n; i += 100) await Promise.all(Array.from({ length: 100 }, ask))
      }
      // What grows once and stays is not the connections'.
      await openMany(500)
      const before = memoryMiB(child.pid!).rss
      await openMany(IDLE_CONNECTIONS)
      rows.push({
        proxy: name,
        'KiB per idle connection': rounded(((memoryMiB(child.pid!).rss - before) * 1_024) / IDLE_CONNECTIONS),
      })
      for (const socket of sockets) socket.destroy()
    }
  } finally {
    for (const { child } of running) await stop(child)
  }
  process.stdout.write(`\nmemory of ${IDLE_CONNECTIONS} connections that wait for their next request\n`)
  console.table(rows)
}

/** A certificate as nginx and wherry read it, and as HAProxy does. */
function createCertificate(directory: string): Bench['tls'] {
  if (!isInstalled('openssl')) return undefined
  const [certificateFile, keyFile] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  spawnSync('openssl', [...args, '-keyout', keyFile, '-out', certificateFile, '-subj', '/CN=bench'], {
    stdio: 'ignore',
  })
  writeFileSync(`${certificateFile}.all`, readFileSync(certificateFile, 'utf8') + readFileSync(keyFile, 'utf8'))
  return { certificateFile, keyFile }
}

async function main(): Promise<void> {
  const [first, ...words] = process.argv.slice(2)
  const rounds = Number(first ?? 3)
  const missing = ['wrk', 'nginx', 'taskset'].filter((command) => !isInstalled(command))
  if (missing.length > 0) {
    process.stdout.write(`left out: ${missing.join(', ')} not installed\n`)
    return
  }
  process.stdout.write(
    `${describeMachine()}; ${rounds} × ${SLICE_SECONDS} s each; answers of 1 KiB where nothing else is said\n`,
  )
  const directory = mkdtempSync(join(tmpdir(), 'wherry-l7-bench-'))
  writeFileSync(join(directory, 'large'), Buffer.alloc(LARGE_BYTES, 'x'))
  const backend = await freePort()
  const server = `server { listen 127.0.0.1:${backend} backlog=4096; location = /large { root ${directory}; }
    location / { default_type text/plain; return 200 "${'x'.repeat(1_024)}"; } }`
  const child = nginx(LOAD_CORE, server, directory, 'backend')
  const isWanted = (name: string): boolean => words.length === 0 || words.some((word) => name.includes(word))
  try {
    await accepts(backend)
    const bench = { directory, backend, tls: createCertificate(directory) }
    for (const scenario of SCENARIOS) if (isWanted(scenario.name)) await runScenario(bench, scenario, rounds)
    if (isWanted('idle')) await measureIdle(bench)
  } finally {
    await stop(child)
    rmSync(directory, { recursive: true, force: true })
  }
}

async function serve(role: string, options: string): Promise<void> {
  const run = {
    wherry: runWherry,
    undici: runUndici,
    'http-proxy': runHttpProxy,
    'http-proxy-3': runHttpProxy3,
    fastify: runFastify,
    load: runLoad,
    backend: runBackend,
  }[role]
  await run?.(JSON.parse(options))
}

if (process.argv[2] === '--serve') await serve(process.argv[3]!, process.argv[4]!)
else await main()
