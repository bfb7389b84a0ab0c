/**
 * A whole cluster as a person starts it: time to ready on the first and on the second start, memory and CPU when idle,
 * `apply` to the first byte from the NodePort, and a ready endpoint to the first connection it gets.
 * `node bench/cluster.bench.ts`
 */
import { setTimeout as pause } from 'node:timers/promises'
import { DEPLOYMENTS, PODS, SERVICES } from '../src/api/resource-type.ts'
import type { Deployment } from '../src/api/types/apps-v1.gen.ts'
import type { Pod, Service } from '../src/api/types/core-v1.gen.ts'
import type { Client } from '../src/client/client.ts'
import { createClient } from '../src/client/create-client.ts'
import { createHttpTransport } from '../src/client/http-transport.ts'
import { loadKubeconfig } from '../src/client/load-kubeconfig.ts'
import { startTestCluster, type TestCluster } from '../test/harness/cluster.ts'
import { describeMachine } from './describe-machine.ts'
import { cpuSeconds, memoryMiB } from './process-usage.ts'

const STARTS = 5
const IDLE_SECONDS = 20
const APPLIES = 10
const WITHIN_MS = 20_000

const rounded = (value: number, digits = 0): number => Number(value.toFixed(digits))
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

function readyMs(cluster: TestCluster): number {
  return Number(/Ready in ([\d.]+) s/.exec(cluster.output())?.[1]) * 1_000
}

/** First starts each on a directory of its own, then starts on a directory that has been used. */
async function measureStarts(): Promise<void> {
  const first: number[] = []
  const second: number[] = []
  for (let i = 0; i < STARTS; i++) {
    const cluster = await startTestCluster()
    try {
      first.push(readyMs(cluster))
      await cluster.interrupt()
      await cluster.restart()
      second.push(readyMs(cluster))
    } finally {
      await cluster.destroy()
    }
  }
  console.table([
    { start: 'first, with certificates', 'median ms': median(first), 'goal ms': 1_500, all: first.join(' ') },
    { start: 'second', 'median ms': median(second), 'goal ms': 1_000, all: second.join(' ') },
  ])
}

async function measureIdle(cluster: TestCluster): Promise<void> {
  const { processes } = await cluster.status()
  await pause(5_000)
  const before = processes.map(({ pid }) => cpuSeconds(pid))
  await pause(IDLE_SECONDS * 1_000)
  const rows = processes.map(({ role, pid }, i) => {
    const { rss, pss } = memoryMiB(pid)
    return { process: role, rss, pss, cpu: ((cpuSeconds(pid) - before[i]!) / IDLE_SECONDS) * 100 }
  })
  const sum = (key: 'rss' | 'pss' | 'cpu'): number => rows.reduce((total, row) => total + row[key], 0)
  rows.push({ process: 'all (goal 150 MiB, 1 %)', rss: sum('rss'), pss: sum('pss'), cpu: sum('cpu') })
  console.table(
    rows.map(({ process, rss, pss, cpu }) => ({
      process,
      'rss MiB': rounded(rss),
      'pss MiB': rounded(pss),
      'cpu % of a core': rounded(cpu, 2),
    })),
  )
}

const SERVER = `require('http').createServer((q, r) => r.end('ok')).listen(8080, process.env.HOST)`

function web(name: string, replicas: number): Deployment {
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [
            { name: 'web', image: 'node', command: ['node', '-e', SERVER], ports: [{ containerPort: 8080 }] },
          ],
        },
      },
    },
  } as Deployment
}

function nodePort(name: string, port: number): Service {
  return {
    metadata: { name, namespace: 'default' },
    spec: { type: 'NodePort', selector: { app: name }, ports: [{ port: 80, targetPort: 8080, nodePort: port }] },
  } as Service
}

/** Milliseconds until this URL answers; tries again at once after each refusal. */
async function firstByteMs(url: string): Promise<number> {
  const began = performance.now()
  while (performance.now() - began < WITHIN_MS) {
    try {
      await (await fetch(url, { headers: { connection: 'close' } })).text()
      return performance.now() - began
    } catch {
      await pause(2)
    }
  }
  throw new Error(`${url} did not answer within ${WITHIN_MS} ms`)
}

async function measureApply(client: Client, address: string): Promise<void> {
  const times: number[] = []
  for (let i = 0; i < APPLIES; i++) {
    const name = `apply-${i}`
    const answered = firstByteMs(`http://${address}:${31_000 + i}/`)
    await client.create(SERVICES, nodePort(name, 31_000 + i))
    await client.create(DEPLOYMENTS, web(name, 1))
    times.push(await answered)
    await client.delete(DEPLOYMENTS, { namespace: 'default', name })
    await client.delete(SERVICES, { namespace: 'default', name })
  }
  console.table([
    {
      what: 'apply to first byte from the NodePort',
      'median ms': rounded(median(times)),
      'maximum ms': rounded(Math.max(...times)),
      'goal ms': 1_000,
    },
  ])
}

/** A label takes a ready pod out of its Service and puts it back: from the answered write to the first connection. */
async function measureEndpointChange(client: Client, address: string): Promise<void> {
  await client.create(SERVICES, nodePort('change', 31_100))
  await client.create(DEPLOYMENTS, web('change', 1))
  const url = `http://${address}:31100/`
  await firstByteMs(url)
  const [pod] = (await client.list<Pod>(PODS, { namespace: 'default', labelSelector: 'app=change' })).items
  const service = { namespace: 'default', name: 'change' }
  const times: number[] = []
  for (let i = 0; i < APPLIES * 2; i++) {
    await client.patch(SERVICES, service, { spec: { selector: { app: 'nobody' } } })
    for (let tries = 0; tries < 1_000; tries++) {
      const refused = await fetch(url, { headers: { connection: 'close' } }).then(
        (response) => response.text().then(() => false),
        () => true,
      )
      if (refused) break
    }
    await client.patch(SERVICES, service, { spec: { selector: { app: 'change' } } })
    times.push(await firstByteMs(url))
  }
  console.table([
    {
      what: `endpoint change to first answer (pod ${pod?.metadata?.name})`,
      'median ms': rounded(median(times), 1),
      'maximum ms': rounded(Math.max(...times), 1),
    },
  ])
}

/** Prints a table a measurement. */
export async function run(): Promise<void> {
  process.stdout.write(`cluster: from the command line to an answer; ${describeMachine()}\n`)
  await measureStarts()
  const cluster = await startTestCluster()
  const transport = createHttpTransport(loadKubeconfig(cluster.kubeconfig))
  try {
    await measureIdle(cluster)
    const client = createClient(transport)
    const address = (await cluster.status()).nodes[0]!.address
    await measureApply(client, address)
    await measureEndpointChange(client, address)
  } finally {
    await transport.close()
    await cluster.destroy()
  }
}

if (import.meta.main) await run()
