/** What measuring costs, from /proc to metrics.k8s.io: `node bench/usage.bench.ts`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import type { SandboxState } from '../src/agent/runtime/runtime.ts'
import { buildSummary } from '../src/agent/usage/build-summary.ts'
import { ProcUsageSource } from '../src/agent/usage/proc-usage-source.ts'
import { resourceMetrics } from '../src/agent/usage/usage-metrics.ts'
import type { UsageSample } from '../src/agent/usage/usage-sampler.ts'
import { usageKey } from '../src/agent/usage/usage-source.ts'
import { systemClock } from '../src/base/clock.ts'
import { exposition } from '../src/base/metric-families.ts'
import { decodeSummary } from '../src/controlplane/metrics-api/decode-summary.ts'
import { inSlices } from '../src/controlplane/metrics-api/in-slices.ts'
import { podMetrics } from '../src/controlplane/metrics-api/metrics-objects.ts'
import { NodeHistory } from '../src/controlplane/metrics-api/node-history.ts'
import { describeMachine } from './describe-machine.ts'

const PODS_PER_NODE = 100
const ROUNDS = 20

const rounded = (value: number): number => Math.round(value * 100) / 100

/** The median of several rounds, in milliseconds. */
async function median(work: () => unknown): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < ROUNDS; i++) {
    const began = performance.now()
    await work()
    times.push(performance.now() - began)
  }
  return rounded(times.sort((a, b) => a - b)[ROUNDS / 2]!)
}

interface PassRow {
  readonly containers: number
  readonly processes: number
  readonly 'CPU ms a pass': number
  readonly 'CPU µs a process': number
  readonly '% of a core at one in 15 s': number
}

/** Passes over /proc with so many containers of one process each beside what runs anyway. */
async function passes(containers: number): Promise<PassRow> {
  const children: ChildProcess[] = []
  try {
    for (let i = 0; i < containers; i++)
      children.push(spawn('sleep', ['120'], { env: { WHERRY_CONTAINER: `bench-${i}.main.0` }, stdio: 'ignore' }))
    const source = new ProcUsageSource(systemClock)
    // Numbers that are new cost more: twice, until it is certain whose they are.
    for (let i = 0; i < 3; i++) await source.read()
    const before = process.cpuUsage()
    for (let i = 0; i < ROUNDS; i++) await source.read()
    const { user, system } = process.cpuUsage(before)
    const ms = (user + system) / 1000 / ROUNDS
    const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length
    return {
      containers,
      processes,
      'CPU ms a pass': rounded(ms),
      'CPU µs a process': rounded((ms * 1000) / processes),
      '% of a core at one in 15 s': Math.round((ms / 15_000) * 100_000) / 1000,
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

function sandbox(i: number): SandboxState {
  const podUid = `0f8fad5b-d9cb-469f-a165-${String(i).padStart(12, '0')}`
  const state = { podUid, attempt: 0, phase: 'running', startedAtMs: 1.7e12 } as const
  return {
    podUid,
    podName: `shop-6d4cf56db6-${i}`,
    podNamespace: 'default',
    ip: '127.64.129.1',
    containers: ['main', 'side'].map((name) => ({ ...state, name, id: `${podUid}.${name}.0` })),
  }
}

function sampleAt(seconds: number, sandboxes: readonly SandboxState[]): UsageSample {
  const usage = { cpuNanoseconds: seconds * 1e8, workingSetBytes: 5e7, rssBytes: 4e7, processes: 2 }
  return {
    atMs: 1.7e12 + seconds * 1000,
    machine: {
      cpuNanoseconds: seconds * 1e9,
      bootedAtMs: 1.6e12,
      memory: { capacityBytes: 16e9, usageBytes: 8e9, workingSetBytes: 7e9, rssBytes: 6e9 },
    },
    containers: new Map(
      sandboxes.flatMap(({ podUid, containers }) => containers.map(({ name }) => [usageKey(podUid, name), usage])),
    ),
  }
}

interface ServeRow {
  readonly pods: number
  readonly 'summary ms': number
  readonly 'summary KB': number
  readonly 'series ms': number
  readonly 'series KB': number
  readonly 'decode ms': number
  readonly 'metrics.k8s.io list ms': number
}

/** Pods of two containers on nodes of a hundred: times and sizes are of one node but for the list, which is of all. */
async function serving(pods: number): Promise<ServeRow> {
  const sandboxes = Array.from({ length: Math.min(pods, PODS_PER_NODE) }, (_, i) => sandbox(i))
  const window = { last: sampleAt(30, sandboxes), earlier: sampleAt(15, sandboxes) }
  const summary = JSON.stringify(buildSummary('node', window, sandboxes, undefined))
  const series = await exposition(resourceMetrics(window.last, sandboxes))
  const history = new NodeHistory()
  for (const last of [window.earlier, window.last])
    history.take(
      decodeSummary(JSON.stringify(buildSummary('node', { last, earlier: undefined }, sandboxes, undefined))),
      0,
    )
  const objects = Array.from({ length: pods }, (_, i) => {
    const { podName: name, podUid: uid } = sandboxes[i % sandboxes.length]!
    const containers = [{ name: 'main' }, { name: 'side' }]
    return { metadata: { name, namespace: 'default', uid }, spec: { containers } }
  })
  return {
    pods,
    'summary ms': await median(() => JSON.stringify(buildSummary('node', window, sandboxes, undefined))),
    'summary KB': Math.round(summary.length / 1024),
    'series ms': await median(() => exposition(resourceMetrics(window.last, sandboxes))),
    'series KB': Math.round(series.text.length / 1024),
    'decode ms': await median(() => decodeSummary(summary)),
    'metrics.k8s.io list ms': await median(() =>
      inSlices(objects, (pod) => podMetrics(pod, history.pod(pod.metadata.uid)!, 0)),
    ),
  }
}

export async function run(): Promise<void> {
  process.stdout.write(`usage: ${describeMachine()}\n`)
  const passRows: PassRow[] = []
  for (const containers of [0, 100, 400]) passRows.push(await passes(containers))
  console.table(passRows)
  const serveRows: ServeRow[] = []
  for (const pods of [100, 1_000, 10_000]) serveRows.push(await serving(pods))
  console.table(serveRows)
}

if (import.meta.main) await run()
