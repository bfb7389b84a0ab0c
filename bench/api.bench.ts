/**
 * The API server from outside: creates by 1, 16 and 64 clients, and one writer's changes fanned out to 1, 100 and 1,000
 * watchers. The whole control plane runs in a process of its own on SQLite; clients speak HTTP/2 over TLS with a client
 * certificate. They run on the same cores: what they use is printed beside what the server uses, and limits it; on two
 * cores both have about one each. Goals: 3,000 creates/s at 64 clients, 99 % of them within 40 ms.
 * `node bench/api.bench.ts`
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { NODE_FLAGS } from '../src/cli/up/supervised-child.ts'
import type { ControlPlaneAddress } from './control-plane-process.ts'
import { describeMachine } from './describe-machine.ts'
import { cpuSeconds, memoryMiB } from './process-usage.ts'

const PATH = '/api/v1/namespaces/default/configmaps'
/** About 1.5 KB as JSON. */
const PAYLOAD = 'x'.repeat(1_350)
const WARM_UP = 2_500
const CREATES = [
  { clients: 1, creates: 2_000 },
  { clients: 16, creates: 10_000 },
  { clients: 64, creates: 20_000 },
] as const
const FAN_OUT = [
  { watchers: 1, changes: 1_000, perSecond: 500 },
  { watchers: 100, changes: 600, perSecond: 200 },
  { watchers: 1_000, changes: 200, perSecond: 50 },
] as const
/** As many watches as one connection carries. */
const STREAMS_EACH = 100

const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits))

interface Server extends ControlPlaneAddress {
  readonly pid: number
  stop(): Promise<void>
}

async function startServer(): Promise<Server> {
  const dataDir = mkdtempSync(join(tmpdir(), 'wherry-bench-'))
  const flags = [...NODE_FLAGS['control-plane'], ...(process.env.BENCH_NODE_FLAGS?.split(' ') ?? [])]
  const script = join(import.meta.dirname, 'control-plane-process.ts')
  const child: ChildProcess = spawn(process.execPath, [...flags, script, dataDir], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [address] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the server ended with code ${code}`))),
  ])) as [ControlPlaneAddress]
  return {
    ...address,
    pid: child.pid!,
    async stop() {
      const ended = once(child, 'exit')
      child.disconnect()
      const killer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await ended
      clearTimeout(killer)
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

function open(server: Server): ClientHttp2Session {
  const session = connect(`https://127.0.0.1:${server.port}`, {
    ca: server.ca,
    cert: server.cert,
    key: server.key,
    settings: { enablePush: false },
  })
  session.setMaxListeners(0)
  return session
}

/** Sends one write and resolves when the whole answer is there. */
function write(session: ClientHttp2Session, method: 'POST' | 'PUT', path: string, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': method, ':path': path, 'content-type': 'application/json' })
    let status = 0
    stream.on('response', (headers) => {
      status = Number(headers[':status'])
    })
    stream.on('error', reject)
    stream.on('end', () => (status < 300 ? resolve() : reject(new Error(`the server answered ${status}`))))
    stream.resume()
    stream.end(body)
  })
}

function configMap(name: string, data: Readonly<Record<string, string>>): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data })
}

/** What both sides have used since the call, in seconds of CPU. */
function usage(server: Server): () => { readonly server: number; readonly clients: number } {
  const serverBefore = cpuSeconds(server.pid)
  const own = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(own)
    return { server: cpuSeconds(server.pid) - serverBefore, clients: (user + system) / 1e6 }
  }
}

async function createAll(
  sessions: readonly ClientHttp2Session[],
  prefix: string,
  total: number,
): Promise<Float64Array> {
  const latencies = new Float64Array(total)
  let next = 0
  const client = async (session: ClientHttp2Session): Promise<void> => {
    while (next < total) {
      const i = next++
      // Scattered over the key space, as names are.
      const body = configMap(`${prefix}-${(i * 7_919) % total}`, { payload: PAYLOAD })
      const began = performance.now()
      await write(session, 'POST', PATH, body)
      latencies[i] = performance.now() - began
    }
  }
  await Promise.all(sessions.map(client))
  return latencies.sort()
}

/** Each client waits for its answer before it sends the next create; each has a connection of its own. */
async function measureCreates(server: Server, clients: number, creates: number): Promise<object> {
  const sessions = Array.from({ length: clients }, () => open(server))
  try {
    await Promise.all(sessions.map((session) => once(session, 'connect')))
    const used = usage(server)
    const began = performance.now()
    const latencies = await createAll(sessions, `c${clients}`, creates)
    const seconds = (performance.now() - began) / 1_000
    const cpu = used()
    return {
      clients,
      'creates/s': Math.round(creates / seconds),
      'p50 ms': rounded(latencies[Math.floor(creates * 0.5)]!),
      'p99 ms': rounded(latencies[Math.floor(creates * 0.99)]!),
      'server CPU ms/create': rounded((cpu.server * 1_000) / creates, 3),
      'clients CPU ms/create': rounded((cpu.clients * 1_000) / creates, 3),
      'server cores': rounded(cpu.server / seconds),
    }
  } finally {
    for (const session of sessions) session.close()
  }
}

/** A watch that counts lines and reads the time of writing from each; parsing them would cost more than sending. */
async function startWatcher(
  session: ClientHttp2Session,
  selector: string,
  onLine: (sentAt: number) => void,
): Promise<ClientHttp2Stream> {
  const stream = session.request({ ':path': `${PATH}?watch=1&labelSelector=${encodeURIComponent(selector)}` })
  const [headers] = await once(stream, 'response')
  if (headers[':status'] !== 200) throw new Error(`the server answered ${headers[':status']} to a watch`)
  const mark = Buffer.from('"sent":"')
  stream.on('data', (chunk: Buffer) => {
    // Lines are about 400 bytes, far smaller than a frame; one that is cut in two is not counted twice.
    for (let at = chunk.indexOf(mark); at >= 0; at = chunk.indexOf(mark, at + mark.length))
      onLine(Number(chunk.toString('latin1', at + mark.length, chunk.indexOf(0x22, at + mark.length))))
  })
  stream.on('error', () => {})
  return stream
}

/** One writer at a fixed rate; every watcher gets every change. The lag counts from before the write is sent. */
async function measureFanOut(server: Server, watchers: number, changes: number, perSecond: number): Promise<object> {
  const writer = open(server)
  const sessions = Array.from({ length: Math.ceil(watchers / STREAMS_EACH) }, () => open(server))
  try {
    await Promise.all([writer, ...sessions].map((session) => once(session, 'connect')))
    const path = `${PATH}/fan-out-${watchers}`
    const object = (sent: number): string =>
      JSON.stringify({
        metadata: { name: `fan-out-${watchers}`, labels: { 'fan-out': String(watchers) } },
        data: { sent: String(sent) },
      })
    await write(writer, 'POST', PATH, object(0))
    const lags = new Float64Array(watchers * changes)
    let got = 0
    const onLine = (sentAt: number): void => {
      if (sentAt > 0 && got < lags.length) lags[got++] = performance.now() - sentAt
    }
    for (let i = 0; i < watchers; i += 50)
      await Promise.all(
        Array.from({ length: Math.min(50, watchers - i) }, (_, n) =>
          startWatcher(sessions[Math.floor((i + n) / STREAMS_EACH)]!, `fan-out=${watchers}`, onLine),
        ),
      )
    const used = usage(server)
    const began = performance.now()
    for (let i = 0; i < changes; i++) {
      const due = began + (i * 1_000) / perSecond
      if (due > performance.now() + 1) await pause(due - performance.now())
      await write(writer, 'PUT', path, object(performance.now()))
    }
    const deadline = performance.now() + 10_000
    while (got < lags.length && performance.now() < deadline) await pause(5)
    const seconds = (performance.now() - began) / 1_000
    const cpu = used()
    const sorted = lags.subarray(0, got).sort()
    return {
      watchers,
      'changes/s': Math.round(changes / seconds),
      'events/s': Math.round(got / seconds),
      lost: lags.length - got,
      'lag p50 ms': rounded(sorted[Math.floor(got * 0.5)] ?? Number.NaN),
      'lag p99 ms': rounded(sorted[Math.floor(got * 0.99)] ?? Number.NaN),
      'server CPU µs/event': rounded((cpu.server * 1e6) / got, 1),
      'clients CPU µs/event': rounded((cpu.clients * 1e6) / got, 1),
    }
  } finally {
    for (const session of [writer, ...sessions]) session.destroy()
  }
}

/** Prints both tables; the server's memory comes last. */
export async function run(): Promise<void> {
  process.stdout.write(`API server over TLS and HTTP/2, with its clients on the same cores; ${describeMachine()}\n`)
  const server = await startServer()
  try {
    const warm = [open(server)]
    await createAll(warm, 'warm', WARM_UP)
    warm[0]!.close()
    const rows: object[] = []
    for (const { clients, creates } of CREATES) rows.push(await measureCreates(server, clients, creates))
    console.table(rows)
    const fans: object[] = []
    for (const { watchers, changes, perSecond } of FAN_OUT)
      fans.push(await measureFanOut(server, watchers, changes, perSecond))
    console.table(fans)
    process.stdout.write(`resident memory of the server at the end: ${Math.round(memoryMiB(server.pid).rss)} MiB\n`)
  } finally {
    await server.stop()
  }
}

if (import.meta.main) await run()
