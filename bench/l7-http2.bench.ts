/**
 * The HTTP engine with clients of HTTP/2 beside its peers: `node bench/l7-http2.bench.ts [rounds] [name …]`. Each proxy
 * runs alone on one core, h2load and the backend (nginx) share the other; 1 KB responses. Only ratios within one run
 * count.
 */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeMachine } from './describe-machine.ts'
import { nginx } from './l7-peers.ts'
import { accepts, freePort, isInstalled, LOAD_CORE, PROXY_CORE, pinned, stop } from './pinned-process.ts'
import { cpuSeconds, memoryMiB } from './process-usage.ts'

/** Connections, and requests at once on each. */
const LOADS = [
  [16, 16],
  [64, 4],
  [256, 1],
] as const
const BODY = 'x'.repeat(1_024)
const WARM_REQUESTS = 60_000
const SLICE_SECONDS = 2
const OURS = 'wherry'

interface Place {
  readonly port: number
  /** By what is spoken there. */
  readonly backends: Readonly<Record<'http1' | 'h2c', number>>
  readonly directory: string
}

interface Peer {
  readonly name: string
  /** undefined: it is not installed. */
  start(place: Place): ChildProcess | undefined
}

function self(role: string, port: number, backend: number): ChildProcess {
  return pinned(PROXY_CORE, process.execPath, [import.meta.filename, '--serve', role, `${port}`, `${backend}`])
}

function haproxy({ port, directory }: Place, server: string): ChildProcess | undefined {
  if (!isInstalled('haproxy')) return undefined
  const file = join(directory, `haproxy-${port}.cfg`)
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  http-reuse always
  timeout client 1h
  timeout server 1h
  timeout connect 5s
frontend f
  bind 127.0.0.1:${port} proto h2
  default_backend b
backend b
  server s ${server}
`,
  )
  return pinned(PROXY_CORE, 'haproxy', ['-db', '-f', file], directory)
}

const PEERS: readonly Peer[] = [
  {
    name: 'nginx',
    start: ({ port, backends, directory }) =>
      nginx(
        PROXY_CORE,
        `upstream b { server 127.0.0.1:${backends.http1}; keepalive 128; keepalive_requests 100000000; }
         server { listen 127.0.0.1:${port} http2 backlog=4096;
           location / { proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
        directory,
        `proxy-${port}`,
      ),
  },
  { name: 'haproxy', start: (place) => haproxy(place, `127.0.0.1:${place.backends.http1}`) },
  { name: OURS, start: ({ port, backends }) => self('http1', port, backends.http1) },
  { name: 'http2 + undici', start: ({ port, backends }) => self('undici', port, backends.http1) },
  {
    name: 'haproxy, HTTP/2 to the backend',
    start: (place) => haproxy(place, `127.0.0.1:${place.backends.h2c} proto h2`),
  },
  { name: `${OURS}, HTTP/2 to the backend`, start: ({ port, backends }) => self('h2c', port, backends.h2c) },
]

/** What a child of this file serves as. */
async function serve(role: string, port: number, backend: number): Promise<void> {
  const host = '127.0.0.1'
  if (role === 'undici') {
    const { Pool } = await import('undici')
    const pool = new Pool(`http://${host}:${backend}`, { connections: 128 })
    createServer((request, response) => {
      pool
        .request({ path: request.url, method: request.method as 'GET' })
        .then(({ statusCode, headers, body }) => {
          const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...rest } = headers
          response.writeHead(statusCode, rest as Record<string, string>)
          body.pipe(response)
        })
        .catch(() => response.stream.destroy())
    }).listen(port, host)
    return
  }
  const { startHttpProxy } = await import('../src/proxy/l7/standalone.ts')
  const { DEFAULT_ENGINE_SETTINGS } = await import('../src/proxy/l7/engine/engine-settings.ts')
  await startHttpProxy({
    listen: { host, port },
    endpoints: [{ address: host, port: backend }],
    settings: { forward: { ...DEFAULT_ENGINE_SETTINGS.forward, createsTraceparent: true } },
    upstream: { protocol: role as 'http1' | 'h2c' },
  })
}

interface Slice {
  readonly done: number
  readonly failed: number
  readonly meanMs: number
}

const UNIT_MS = { us: 0.001, ms: 1, s: 1_000 }

function h2load(port: number, c: number, m: number, length: readonly string[]): Slice {
  const args = ['-c', LOAD_CORE, 'h2load', '-t1', `-c${c}`, `-m${m}`, ...length, `http://127.0.0.1:${port}/`]
  const text = execFileSync('taskset', args, { encoding: 'utf8' })
  const [, done, succeeded] = /(\d+) done, (\d+) succeeded/.exec(text) ?? []
  // Of "time for request": smallest, largest, mean.
  const [, mean, unit] = /time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)/.exec(text) ?? []
  return {
    done: Number(succeeded),
    failed: Number(done) - Number(succeeded),
    meanMs: Number(mean) * UNIT_MS[unit as keyof typeof UNIT_MS],
  }
}

interface Running {
  readonly name: string
  readonly port: number
  readonly child: ChildProcess
}

interface Row {
  readonly proxy: string
  readonly load: string
  readonly 'req/s': number
  readonly 'CPU µs/req': number
  readonly 'mean ms': number
  readonly 'RSS MiB': number
  readonly failed: number
}

/** All proxies in turn, again and again, so that whatever else the machine does falls on all of them alike. */
function measure(running: readonly Running[], c: number, m: number, rounds: number): Row[] {
  const sums = running.map(() => ({ done: 0, failed: 0, cpu: 0, meanMs: 0 }))
  for (const { port } of running) h2load(port, c, m, ['-n', `${WARM_REQUESTS}`])
  for (let round = 0; round < rounds; round++) {
    for (const [i, { port, child }] of running.entries()) {
      const before = cpuSeconds(child.pid!)
      const { done, failed, meanMs } = h2load(port, c, m, ['-D', `${SLICE_SECONDS}`])
      const sum = sums[i]!
      sum.cpu += cpuSeconds(child.pid!) - before
      sum.done += done
      sum.failed += failed
      sum.meanMs += meanMs / rounds
    }
  }
  return running.map(({ name, child }, i) => {
    const { done, failed, cpu, meanMs } = sums[i]!
    return {
      proxy: name,
      load: `${c} × ${m}`,
      'req/s': Math.round(done / rounds / SLICE_SECONDS),
      'CPU µs/req': Number(((cpu * 1e6) / done).toFixed(2)),
      'mean ms': Number(meanMs.toFixed(2)),
      'RSS MiB': Math.round(memoryMiB(child.pid!).rss),
      failed,
    }
  })
}

async function main(): Promise<void> {
  const [first, ...names] = process.argv.slice(2)
  const rounds = Number(first ?? 2)
  const missing = ['h2load', 'nginx', 'taskset'].filter((command) => !isInstalled(command))
  if (missing.length > 0) {
    process.stdout.write(`left out: ${missing.join(', ')} not installed\n`)
    return
  }
  process.stdout.write(`${describeMachine()}; ${rounds} × ${SLICE_SECONDS} s each\n`)
  const directory = mkdtempSync(join(tmpdir(), 'wherry-http2-bench-'))
  const backends = { http1: await freePort(), h2c: await freePort() }
  const location = `location / { default_type text/plain; return 200 "${BODY}"; }`
  const backend = nginx(
    LOAD_CORE,
    `server { listen 127.0.0.1:${backends.http1} backlog=4096; ${location} }
     server { listen 127.0.0.1:${backends.h2c} http2 backlog=4096; ${location} }`,
    directory,
    'backend',
  )
  const running: Running[] = []
  const rows: Row[] = []
  try {
    await accepts(backends.http1)
    for (const peer of PEERS) {
      if (names.length > 0 && !names.includes(peer.name)) continue
      const port = await freePort()
      const child = peer.start({ port, backends, directory })
      if (child === undefined) {
        process.stdout.write(`left out: ${peer.name} is not installed\n`)
        continue
      }
      running.push({ name: peer.name, port, child })
      await accepts(port)
    }
    for (const [c, m] of LOADS) rows.push(...measure(running, c, m, rounds))
  } finally {
    for (const { child } of running) await stop(child)
    await stop(backend)
    rmSync(directory, { recursive: true, force: true })
  }
  console.table(rows)
  for (const [c, m] of LOADS) {
    const cost = (name: string): number =>
      rows.find(({ load, proxy }) => load === `${c} × ${m}` && proxy === name)?.['CPU µs/req'] ?? Number.NaN
    for (const name of ['nginx', 'haproxy', 'http2 + undici']) {
      process.stdout.write(`${c} × ${m}: ${(cost(OURS) / cost(name)).toFixed(2)} of ${name}\n`)
    }
  }
}

if (process.argv[2] === '--serve') await serve(process.argv[3]!, Number(process.argv[4]), Number(process.argv[5]))
else await main()
