/**
 * The HTTP proxies side by side, by number of clients, size, kind of request and number of endpoints:
 * `node bench/l7-matrix.bench.ts [--full] [--rounds 3] [--seconds 1] [--only PATTERN] [--out DIR] [--compare FILE]`. Each proxy runs
 * alone on one core; wrk and the backend (nginx) share the other. Only ratios within one run count.
 */
import { type ChildProcess, execFile, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { type BenchRecord, type CellFigures, compareRecords, type ProxyFigures, parseRecord } from './bench-record.ts'
import { combineRounds, type Round } from './combine-rounds.ts'
import { describeMachine } from './describe-machine.ts'
import { type Cell, cellName, cellsBySetup, comparisons, ENDPOINTS, KIB, SIZES } from './l7-cells.ts'
import { chartsOf } from './l7-charts.ts'
import { type GrpcLoad, loadGrpc, runGrpcServer } from './l7-grpc.ts'
import { type LoadFigures, loadHttp1 } from './l7-load.ts'
import { nginx, PEERS, type Place } from './l7-peers.ts'
import { peerVersions } from './peer-versions.ts'
import { accepts, freePort, isInstalled, LOAD_CORE, pinned, stop } from './pinned-process.ts'
import { cpuSeconds, memoryMiB } from './process-usage.ts'

const DIRECT = 'direct'
/** Proxies that take part in every cell; the others, ten times slower, in those that compare clients and sizes. */
const FAST = [DIRECT, 'nginx', 'haproxy', 'haproxy, TCP mode', 'caddy', 'wherry', 'wherry, connections not shared']
const WARM_SECONDS = 3
/** Before each cell, not counted. */
const SETTLE_SECONDS = 1
const GRPC_CHANNELS = 4

interface Settings {
  readonly isFull: boolean
  readonly rounds: number
  /** Of one proxy's turn in a round. */
  readonly seconds: number
  /** Cells by name; default: all. */
  readonly only: RegExp
  readonly out: string
  readonly earlier: BenchRecord | undefined
}

interface Backends {
  readonly directory: string
  readonly http: readonly number[]
  readonly grpc: number
  readonly tls: Place['tls']
}

interface Running {
  readonly name: string
  readonly port: number
  /** undefined: the backend itself. */
  readonly child: ChildProcess | undefined
}

/** Ended with this process, whatever ends it. */
const children: ChildProcess[] = []

function started(child: ChildProcess): ChildProcess {
  children.push(child)
  return child
}

function settings(): Settings {
  const { values } = parseArgs({
    options: {
      full: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      out: { type: 'string' },
      compare: { type: 'string' },
    },
  })
  const [rounds, seconds] = [values.rounds, values.seconds].map(Number) as [number, number]
  if (![rounds, seconds].every((value) => Number.isInteger(value) && value > 0))
    throw new Error('--rounds and --seconds take whole numbers from 1')
  const earlier = values.compare === undefined ? undefined : parseRecord(readFileSync(values.compare, 'utf8'))
  const out = values.out ?? mkdtempSync(join(tmpdir(), 'wherry-l7-'))
  mkdirSync(out, { recursive: true })
  return { isFull: values.full, rounds, seconds, only: new RegExp(values.only), out, earlier }
}

/** Writes the answers of each size where nginx finds them and starts the servers behind the proxies. */
async function startBackends(directory: string): Promise<Backends> {
  const ports = new Set<number>()
  while (ports.size < Math.max(...ENDPOINTS) + 1) ports.add(await freePort())
  const [grpc, ...http] = [...ports] as [number, ...number[]]
  const locations = SIZES.map((bytes) => {
    if (bytes <= KIB) return `location = /${bytes} { default_type text/plain; return 200 "${'x'.repeat(bytes)}"; }`
    writeFileSync(join(directory, `${bytes}`), Buffer.alloc(bytes, 'x'))
    return `location = /${bytes} { root ${directory}; }`
  })
  const listens = http.map((port) => `listen 127.0.0.1:${port} backlog=4096;`)
  started(nginx(LOAD_CORE, `server { ${listens.join(' ')} ${locations.join('\n')} }`, directory, 'backend'))
  started(pinned(LOAD_CORE, process.execPath, [import.meta.filename, '--serve', 'grpc', `${grpc}`]))
  await accepts(http[0]!)
  await accepts(grpc)
  return { directory, http, grpc, tls: createCertificate(directory) }
}

/** undefined: openssl is not installed. */
function createCertificate(directory: string): Place['tls'] {
  if (!isInstalled('openssl')) return undefined
  const [certificateFile, keyFile] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const files = ['-keyout', keyFile, '-out', certificateFile, '-subj', '/CN=bench']
  if (spawnSync('openssl', [...args, ...files], { stdio: 'ignore' }).status !== 0) return undefined
  writeFileSync(`${certificateFile}.all`, readFileSync(certificateFile, 'utf8') + readFileSync(keyFile, 'utf8'))
  return { certificateFile, keyFile }
}

/** All proxies that can do what a cell asks. */
async function startProxies({ directory, http, grpc, tls }: Backends, cell: Cell): Promise<readonly Running[]> {
  const isGrpc = cell.protocol === 'gRPC'
  const backend = isGrpc ? grpc : http[0]!
  const running: Running[] = []
  if (!cell.isTls && cell.endpoints === 1) running.push({ name: DIRECT, port: backend, child: undefined })
  for (const { name, start } of PEERS) {
    if (isGrpc && name.endsWith('not shared')) continue
    const port = await freePort()
    const child = start({
      port,
      backend,
      directory,
      otherBackends: http.slice(1, cell.endpoints),
      ...(isGrpc ? { protocol: 'h2c' } : {}),
      ...(cell.isTls ? { tls } : {}),
    })
    if (child === undefined) continue
    running.push({ name, port, child: started(child) })
    await accepts(port)
  }
  return running
}

const run = promisify(execFile)

async function load(port: number, cell: Cell, seconds: number): Promise<LoadFigures> {
  const { connections, bytes, isKept, isTls, bodyBytes } = cell
  if (cell.protocol === 'gRPC') {
    const options: GrpcLoad = { port, channels: GRPC_CHANNELS, calls: connections, bytes, seconds }
    const args = [
      '-c',
      LOAD_CORE,
      process.execPath,
      import.meta.filename,
      '--serve',
      'grpc-load',
      JSON.stringify(options),
    ]
    return JSON.parse((await run('taskset', args)).stdout) as LoadFigures
  }
  return await loadHttp1({
    url: `${isTls ? 'https' : 'http'}://127.0.0.1:${port}/${bytes}`,
    connections,
    seconds,
    headers: isKept ? [] : ['Connection: close'],
    bodyBytes,
  })
}

async function turn({ port, child }: Running, cell: Cell, seconds: number): Promise<Round> {
  const before = child === undefined ? 0 : cpuSeconds(child.pid!)
  const figures = await load(port, cell, seconds)
  return { ...figures, cpuSeconds: child === undefined ? null : cpuSeconds(child.pid!) - before }
}

/** All proxies in turn, again and again, so that whatever else the machine does falls on all of them alike. */
async function measure(
  running: readonly Running[],
  cell: Cell,
  { rounds, seconds }: Settings,
  report: (step: string) => void,
): Promise<readonly ProxyFigures[]> {
  const taken = running.map((): Round[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, proxy] of running.entries()) {
      report(`round ${round + 1} of ${rounds}, ${proxy.name}`)
      if (round === 0) await load(proxy.port, cell, SETTLE_SECONDS)
      taken[i]!.push(await turn(proxy, cell, seconds))
    }
  }
  return running.map(({ name, child }, i) => ({
    proxy: name,
    ...combineRounds(taken[i]!),
    rssMiB: child === undefined ? null : memoryMiB(child.pid!).rss,
  }))
}

const rounded = (value: number | null, digits = 2): number | string =>
  value === null ? '–' : Number(value.toFixed(digits))

function printCell({ cell, proxies }: CellFigures): void {
  const cost = (name: string): number =>
    proxies.find(({ proxy }) => proxy === name)?.cpuMicros ?? Number.POSITIVE_INFINITY
  const best = Math.min(cost('nginx'), cost('haproxy'))
  process.stdout.write(`\n${cell}\n`)
  console.table(
    proxies.map(({ proxy, cpuMicros, requestsPerSecond, p50Ms, p99Ms, p999Ms, rssMiB, errors }) => ({
      proxy,
      'CPU µs/req': rounded(cpuMicros),
      'of the better': Number.isFinite(best) && cpuMicros !== null ? rounded(cpuMicros / best) : '–',
      'req/s': Math.round(requestsPerSecond),
      'p50 ms': rounded(p50Ms),
      'p99 ms': rounded(p99Ms),
      'p99.9 ms': rounded(p999Ms),
      'RSS MiB': rounded(rssMiB, 0),
      errors,
    })),
  )
}

/** One line that is written over on a terminal, and a line a step elsewhere. */
function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[2K${text}` : `${text}\n`)
}

async function measureAll(backends: Backends, chosen: Settings): Promise<readonly CellFigures[]> {
  const { isFull, only } = chosen
  const all = comparisons(isFull)
  const withSlow = new Set(
    all
      .filter(({ name }) => isFull || ['connections', 'sizes'].includes(name))
      .flatMap(({ cells }) => cells.map(cellName)),
  )
  const results: CellFigures[] = []
  const setups = [...cellsBySetup(all)]
    .map(([setup, cells]) => [setup, cells.filter((cell) => only.test(cellName(cell)))] as const)
    .filter(([, cells]) => cells.length > 0)
  const total = setups.reduce((sum, [, cells]) => sum + cells.length, 0)
  for (const [setup, cells] of setups) {
    if (cells[0]!.isTls && backends.tls === undefined) {
      process.stdout.write(`left out: ${setup}: openssl is not installed\n`)
      continue
    }
    const running = await startProxies(backends, cells[0]!)
    const absent = PEERS.filter(({ name }) => !running.some((other) => other.name === name)).map(({ name }) => name)
    if (absent.length > 0) process.stdout.write(`${setup}: not installed or cannot: ${absent.join('; ')}\n`)
    try {
      for (const { name, port } of running) {
        progress(`${setup}: warming ${name}`)
        await load(port, cells[0]!, WARM_SECONDS)
      }
      for (const cell of cells) {
        const name = cellName(cell)
        const taking = running.filter((proxy) => withSlow.has(name) || FAST.includes(proxy.name))
        const at = `[${results.length + 1} of ${total}] ${name}`
        const proxies = await measure(taking, cell, chosen, (step) => progress(`${at}: ${step}`))
        if (process.stderr.isTTY) progress('')
        results.push({ cell: name, proxies })
        printCell(results.at(-1)!)
      }
    } finally {
      for (const { child } of running) if (child !== undefined) await stop(child)
    }
  }
  return results
}

function printComparison(now: BenchRecord, then: BenchRecord): void {
  process.stdout.write(
    `\nbeside the run of ${then.takenAt} (now / then; the last column with the machine's part taken out)\n`,
  )
  console.table(
    compareRecords(now, then).map(({ cell, proxy, cpu, requestsPerSecond, p99, memory, cpuBesideOthers }) => ({
      cell,
      proxy,
      CPU: rounded(cpu),
      'req/s': rounded(requestsPerSecond),
      p99: rounded(p99),
      memory: rounded(memory),
      'CPU beside others': rounded(cpuBesideOthers),
    })),
  )
}

async function main(): Promise<void> {
  const missing = ['wrk', 'nginx', 'taskset'].filter((command) => !isInstalled(command))
  if (missing.length > 0) {
    process.stdout.write(`left out: ${missing.join(', ')} not installed\n`)
    return
  }
  const chosen = settings()
  const directory = mkdtempSync(join(tmpdir(), 'wherry-l7-matrix-'))
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const before = rounded(loadavg()[0]!, 1)
  process.stdout.write(`${describeMachine()}; ${chosen.rounds} × ${chosen.seconds} s each\n`)
  const cells = await measureAll(await startBackends(directory), chosen)
  if (cells.length === 0) throw new Error(`no cell is called ${chosen.only}`)
  const record: BenchRecord = {
    format: 1,
    takenAt: new Date().toISOString(),
    machine: describeMachine(),
    loadAverage: { before: Number(before), after: Number(rounded(loadavg()[0]!, 1)) },
    secondsPerCell: chosen.rounds * chosen.seconds,
    versions: peerVersions(),
    cells,
  }
  const file = join(chosen.out, 'l7.json')
  writeFileSync(file, `${JSON.stringify(record, undefined, 1)}\n`)
  for (const comparison of comparisons(chosen.isFull)) {
    for (const [name, svg] of chartsOf(record, comparison)) writeFileSync(join(chosen.out, name), svg)
  }
  process.stdout.write(`\nsaved: ${file}, and charts (SVG) beside it\n`)
  if (chosen.earlier !== undefined) printComparison(record, chosen.earlier)
}

async function serve(role: string, options: string): Promise<void> {
  if (role === 'grpc') await runGrpcServer(Number(options))
  else process.stdout.write(JSON.stringify(await loadGrpc(JSON.parse(options) as GrpcLoad)))
}

try {
  if (process.argv[2] === '--serve') await serve(process.argv[3]!, process.argv[4]!)
  else {
    await main()
    process.exit()
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
