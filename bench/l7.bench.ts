/**
 * The HTTP hot path beside its peers: `node bench/l7.bench.ts [rounds] [name …]`. Each proxy runs alone on one core,
 * wrk and the backend (nginx) share the other; 1 KB responses, keep-alive. Only ratios within one run count.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeMachine } from './describe-machine.ts'
import { cpuSeconds, memoryMiB } from './process-usage.ts'

const CONNECTIONS = [64, 256] as const
const BODY = 'x'.repeat(1_024)
const PROXY_CORE = '0'
const LOAD_CORE = '1'
const WARM_REQUESTS = 50_000
const WARM_TURNS_MAX = 8
const SLICE_SECONDS = 2
const READY_WITHIN_MS = 10_000

interface Peer {
  readonly name: string
  /** Starts it between `port` and the backend; undefined: it is not installed. */
  start(port: number, backend: number, directory: string): ChildProcess | undefined
}

interface Row {
  readonly proxy: string
  readonly c: number
  readonly 'req/s': number
  readonly 'CPU µs/req': number
  readonly 'p50 ms': number
  readonly 'p99 ms': number
  readonly 'RSS MiB': number
  readonly errors: number
}

const nginxConfig = (http: string): string => `
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr crit;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 3600; client_body_temp_path body;
  proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
${http} }`

function pinned(core: string, command: string, args: readonly string[], cwd: string): ChildProcess {
  return spawn('taskset', ['-c', core, command, ...args], { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
}

function nginx(core: string, http: string, directory: string, name: string): ChildProcess {
  const file = join(directory, `${name}.conf`)
  writeFileSync(file, nginxConfig(http).replace('nginx.pid', `${name}.pid`))
  return pinned(core, 'nginx', ['-p', directory, '-c', file], directory)
}

const has = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

function self(role: string, port: number, backend: number, directory: string): ChildProcess {
  return pinned(
    PROXY_CORE,
    process.execPath,
    [import.meta.filename, '--serve', role, `${port}`, `${backend}`],
    directory,
  )
}

const PEERS: readonly Peer[] = [
  {
    name: 'nginx',
    start: (port, backend, directory) =>
      has('nginx')
        ? nginx(
            PROXY_CORE,
            `upstream b { server 127.0.0.1:${backend}; keepalive 128; keepalive_requests 100000000; }
             server { listen 127.0.0.1:${port} backlog=4096; location / { proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
            directory,
            'proxy',
          )
        : undefined,
  },
  {
    name: 'haproxy',
    start(port, backend, directory) {
      if (!has('haproxy')) return undefined
      const file = join(directory, 'haproxy.cfg')
      writeFileSync(
        file,
        `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  http-reuse always
  timeout client 1h
  timeout server 1h
  timeout connect 5s
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  server s 127.0.0.1:${backend}
`,
      )
      return pinned(PROXY_CORE, 'haproxy', ['-db', '-f', file], directory)
    },
  },
  { name: 'wherry', start: (port, backend, directory) => self('wherry', port, backend, directory) },
  {
    name: 'wherry, connections not shared',
    start: (port, backend, directory) => self('alone', port, backend, directory),
  },
  { name: 'http + undici', start: (port, backend, directory) => self('undici', port, backend, directory) },
  {
    name: 'http-proxy 1.18',
    start(port, backend, directory) {
      try {
        import.meta.resolve('http-proxy')
      } catch {
        return undefined
      }
      return self('http-proxy', port, backend, directory)
    },
  },
]

/** What a child of this file serves as. */
async function serve(role: string, port: number, backend: number): Promise<void> {
  const host = '127.0.0.1'
  if (role === 'wherry' || role === 'alone') {
    const { startHttpProxy } = await import('../src/proxy/l7/standalone.ts')
    const { DEFAULT_ENGINE_SETTINGS } = await import('../src/proxy/l7/engine/engine-settings.ts')
    const { forward, pipelining } = DEFAULT_ENGINE_SETTINGS
    await startHttpProxy({
      listen: { host, port },
      endpoints: [{ address: host, port: backend }],
      settings: {
        forward: { ...forward, createsTraceparent: true },
        pipelining: { ...pipelining, depthMax: role === 'alone' ? 1 : pipelining.depthMax },
      },
    })
  } else if (role === 'undici') {
    const { Pool } = await import('undici')
    const pool = new Pool(`http://${host}:${backend}`, { connections: 128 })
    createHttpServer((request, response) => {
      pool
        .request({
          path: request.url!,
          method: request.method as 'GET',
          headers: request.headers as Record<string, string>,
        })
        .then(({ statusCode, headers, body }) => {
          response.writeHead(statusCode, headers as Record<string, string>)
          body.pipe(response)
        })
        .catch(() => response.destroy())
    }).listen(port, host)
  } else {
    const name = 'http-proxy'
    const { default: httpProxy } = await import(name)
    const { Agent } = await import('node:http')
    const agent = new Agent({ keepAlive: true, maxSockets: 128 })
    httpProxy.createProxyServer({ target: { host, port: backend }, agent }).listen(port, host)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function accepts(port: number): Promise<void> {
  const untilMs = performance.now() + READY_WITHIN_MS
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const isUp = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (isUp) return
    if (performance.now() > untilMs) throw new Error(`nothing listens on port ${port}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

function wrk(port: number, c: number, seconds: number): string {
  const args = ['-c', LOAD_CORE, 'wrk', '-t1', `-c${c}`, `-d${seconds}s`, '--latency', `http://127.0.0.1:${port}/`]
  return execFileSync('taskset', args, { encoding: 'utf8' })
}

const milliseconds = (text: string, percentile: string): number => {
  const [, value, unit] = new RegExp(`${percentile}%\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? []
  return Number(value) * { us: 0.001, ms: 1, s: 1_000 }[unit as 'us' | 'ms' | 's']
}

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

const count = (pattern: RegExp, text: string): number => Number(pattern.exec(text)?.[1] ?? 0)

function slice({ port, child }: Running, c: number, sums: Sums): void {
  const before = cpuSeconds(child.pid!)
  const text = wrk(port, c, SLICE_SECONDS)
  sums.cpu += cpuSeconds(child.pid!) - before
  sums.requests += count(/(\d+) requests in/, text)
  sums.errors += count(/Non-2xx or 3xx responses: (\d+)/, text)
  for (const [n] of (/Socket errors: (.*)/.exec(text)?.[1] ?? '').matchAll(/\d+/g)) sums.errors += Number(n)
  sums.p50.push(milliseconds(text, '50'))
  sums.p99.push(milliseconds(text, '99'))
}

const median = (values: readonly number[]): number => values.toSorted((x, y) => x - y)[values.length >> 1] ?? Number.NaN

/** All proxies in turn, again and again, so that whatever else the machine does falls on all of them alike. */
function measure(running: readonly Running[], c: number, rounds: number): Row[] {
  const sums = running.map((): Sums => ({ requests: 0, cpu: 0, errors: 0, p50: [], p99: [] }))
  for (const proxy of running) {
    // Until what is compiled while running has been.
    for (let warm = 0, turns = 0; warm < WARM_REQUESTS && turns < WARM_TURNS_MAX; turns++) {
      warm += count(/(\d+) requests in/, wrk(proxy.port, c, 1))
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const [i, proxy] of running.entries()) slice(proxy, c, sums[i]!)
  }
  return running.map(({ name, child }, i) => {
    const { requests, cpu, errors, p50, p99 } = sums[i]!
    return {
      proxy: name,
      c,
      'req/s': Math.round(requests / rounds / SLICE_SECONDS),
      'CPU µs/req': Number(((cpu * 1e6) / requests).toFixed(2)),
      'p50 ms': Number(median(p50).toFixed(2)),
      'p99 ms': Number(median(p99).toFixed(2)),
      'RSS MiB': Math.round(memoryMiB(child.pid!).rss),
      errors,
    }
  })
}

async function main(): Promise<void> {
  const [first, ...names] = process.argv.slice(2)
  const rounds = Number(first ?? 3)
  const missing = ['wrk', 'nginx', 'taskset'].filter((command) => !has(command))
  if (missing.length > 0) {
    process.stdout.write(`left out: ${missing.join(', ')} not installed\n`)
    return
  }
  process.stdout.write(`${describeMachine()}; ${rounds} × ${SLICE_SECONDS} s each\n`)
  const directory = mkdtempSync(join(tmpdir(), 'wherry-l7-bench-'))
  const backendPort = await freePort()
  const backend = nginx(
    LOAD_CORE,
    `server { listen 127.0.0.1:${backendPort} backlog=4096; location / { default_type text/plain; return 200 "${BODY}"; } }`,
    directory,
    'backend',
  )
  const rows: Row[] = []
  const running: Running[] = []
  try {
    await accepts(backendPort)
    for (const peer of PEERS) {
      if (names.length > 0 && !names.includes(peer.name)) continue
      const port = await freePort()
      const child = peer.start(port, backendPort, directory)
      if (child === undefined) {
        process.stdout.write(`left out: ${peer.name} is not installed\n`)
        continue
      }
      running.push({ name: peer.name, port, child })
      await accepts(port)
    }
    for (const c of CONNECTIONS) rows.push(...measure(running, c, rounds))
  } finally {
    for (const { child } of running) await stop(child)
    await stop(backend)
    rmSync(directory, { recursive: true, force: true })
  }
  console.table(rows)
  for (const c of CONNECTIONS) {
    const cost = (name: string): number =>
      rows.find((row) => row.c === c && row.proxy === name)?.['CPU µs/req'] ?? Number.NaN
    const best = Math.min(...['nginx', 'haproxy'].map(cost).filter((value) => !Number.isNaN(value)))
    for (const { name } of PEERS.filter(({ name }) => name.startsWith('wherry'))) {
      process.stdout.write(`c=${c} ${name}: ${(cost(name) / best).toFixed(2)} of the better of nginx and HAProxy\n`)
    }
  }
}

if (process.argv[2] === '--serve') await serve(process.argv[3]!, Number(process.argv[4]), Number(process.argv[5]))
else await main()
