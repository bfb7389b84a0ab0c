/** The store on etcd beside etcd itself, and fail-over between two control planes: `node bench/etcd.bench.ts`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Etcd3 } from 'etcd3'
import { DEFINITIONS } from '../src/api/definitions/all.ts'
import { CONFIG_MAPS, LEASES, NAMESPACES } from '../src/api/resource-type.ts'
import { systemClock } from '../src/base/clock.ts'
import { silentLogger } from '../src/base/logger.ts'
import { createClient } from '../src/client/create-client.ts'
import { createHttpTransport } from '../src/client/http-transport.ts'
import { loadKubeconfig } from '../src/client/load-kubeconfig.ts'
import { createApiServer } from '../src/controlplane/apiserver/api-server.ts'
import { CONTROL_PLANE_USER } from '../src/controlplane/apiserver/user.ts'
import { openEtcdStore } from '../src/controlplane/store/etcd-store.ts'
import { ETCD_MISSING, startEtcd } from '../test/harness/etcd-server.ts'
import { eventually } from '../test/harness/eventually.ts'
import { describeMachine } from './describe-machine.ts'

const SLICE_MS = 300
const ROUNDS = 8
const CLIENTS = [1, 16, 64] as const
const TEXT = 'x'.repeat(1_500)
const FIXTURE = join(import.meta.dirname, '../test/e2e/control-plane.fixture.ts')

interface Row {
  readonly what: string
  readonly clients: number
  readonly 'per s': number
  readonly 'of puts': string
  readonly 'p50 ms': number
  readonly 'p99 ms': number
}

const rounded = (value: number): number => Math.round(value * 10) / 10

type Call = (i: number) => Promise<unknown>

let count = 0

/** One slice of time of one kind of call: how long each took, and all of them together. */
async function slice(
  clients: number,
  call: Call,
): Promise<{ readonly latencies: readonly number[]; readonly ms: number }> {
  const latencies: number[] = []
  const begun = performance.now()
  const client = async (): Promise<void> => {
    while (performance.now() - begun < SLICE_MS) {
      const asked = performance.now()
      await call(count++)
      latencies.push(performance.now() - asked)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return { latencies, ms: performance.now() - begun }
}

/** All kinds of calls in turn, slice by slice: what else the machine does then hits them alike. */
async function measure(clients: number, calls: Readonly<Record<string, Call>>): Promise<readonly Row[]> {
  const taken = Object.keys(calls).map((what) => ({ what, latencies: [] as number[], ms: 0 }))
  for (let round = 0; round < ROUNDS; round++)
    for (const row of taken) {
      const { latencies, ms } = await slice(clients, calls[row.what]!)
      row.latencies.push(...latencies)
      row.ms += ms
    }
  const perSecond = ({ latencies, ms }: (typeof taken)[number]): number => (latencies.length / ms) * 1_000
  return taken.map((row) => {
    row.latencies.sort((a, b) => a - b)
    const at = (share: number): number => rounded(row.latencies[Math.floor(row.latencies.length * share)]!)
    return {
      what: row.what,
      clients,
      'per s': Math.round(perSecond(row)),
      'of puts': `${Math.round((perSecond(row) / perSecond(taken[0]!)) * 100)} %`,
      'p50 ms': at(0.5),
      'p99 ms': at(0.99),
    }
  })
}

/** Creates of 1.5 KB: as etcd3 puts them, as the store commits them, as the API server takes them. */
async function throughput(): Promise<void> {
  const etcd = await startEtcd()
  const raw = new Etcd3({ hosts: [...etcd.endpoints] })
  const store = await openEtcdStore({
    endpoints: etcd.endpoints,
    clock: systemClock,
    logger: silentLogger,
    onFailure: (error) => {
      throw error
    },
  })
  const server = await createApiServer({
    store,
    definitions: DEFINITIONS,
    admission: [],
    authorizer: { authorize: () => ({ allowed: true, reason: '' }) },
    clock: systemClock,
    logger: silentLogger,
    random: Math.random,
    version: 'v1.36.0+wherry',
  })
  try {
    const client = createClient(server.transport(CONTROL_PLANE_USER))
    await client.create(NAMESPACES, { metadata: { name: 'default' } })
    const value = Buffer.from(TEXT)
    const rows: Row[] = []
    for (const clients of CLIENTS)
      rows.push(
        ...(await measure(clients, {
          'etcd3 put': async (i) => raw.put(`/raw/${i}`).value(value),
          'store commit': (i) => {
            const key = `/registry/bench/${i}`
            return store.commit({ expect: [{ key, modRevision: 0n }], puts: [{ key, value }], deletes: [] })
          },
          'API create': (i) =>
            client.create(CONFIG_MAPS, { metadata: { namespace: 'default', name: `m${i}` }, data: { TEXT } }),
        })),
      )
    console.table(rows)
  } finally {
    await server.close()
    await store.close()
    raw.close()
    await etcd.close()
  }
}

/** How long nobody leads after the leading control plane has ended, with client-go's timings. */
async function failOver(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'wherry-bench-'))
  const etcd = await startEtcd()
  const start = async (name: string) => {
    const dataDir = join(directory, name)
    const child = spawn(process.execPath, [FIXTURE, etcd.endpoints[0]!, dataDir, '126', 'client-go'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout!, 'data')
    return { dataDir, child }
  }
  const running = []
  try {
    for (const name of ['a', 'b']) mkdirSync(join(directory, name))
    running.push(await start('a'))
    cpSync(join(directory, 'a', 'pki'), join(directory, 'b', 'pki'), { recursive: true })
    running.push(await start('b'))
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const [leader, other] = running as [(typeof running)[0], (typeof running)[0]]
      const transport = createHttpTransport(loadKubeconfig(join(other.dataDir, 'kubeconfig')))
      const client = createClient(transport)
      const begun = performance.now()
      leader.child.kill(signal)
      await eventually(async () => {
        const { spec } = await client.get(LEASES, { namespace: 'kube-system', name: 'kube-controller-manager' })
        return spec?.holderIdentity === other.dataDir ? true : undefined
      }, 60_000)
      process.stdout.write(`fail-over after ${signal}: ${((performance.now() - begun) / 1_000).toFixed(1)} s\n`)
      await transport.close()
      running.reverse()
      running.pop()
      if (signal === 'SIGTERM') running.push(await start(leader.dataDir.endsWith('a') ? 'a' : 'b'))
    }
  } finally {
    for (const { child } of running) child.kill('SIGKILL')
    await etcd.close()
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

export async function run(): Promise<void> {
  if (ETCD_MISSING !== undefined) return void process.stdout.write(`skipped: ${ETCD_MISSING}\n`)
  process.stdout.write(`etcd: creates of 1.5 KB on one member; ${describeMachine()}\n`)
  await throughput()
  await failOver()
}

if (import.meta.main) await run()
