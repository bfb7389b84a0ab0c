/**
 * What a scrape costs: the series of all objects (`/metrics/state`) and the list of targets at 100, 1,000 and 10,000 pods,
 * and the longest time that the event loop, which the API server shares, was held meanwhile. Goal: 20 ms at 10,000 pods.
 * `node bench/scrape.bench.ts`
 */
import type { KubeObject } from '../src/api/object.ts'
import type { ResourceType } from '../src/api/resource-type.ts'
import { scrapeTargets } from '../src/controlplane/scrape-targets/scrape-targets.ts'
import { stateMetrics } from '../src/controlplane/state-metrics/state-metrics.ts'
import { describeMachine } from './describe-machine.ts'

const POD_COUNTS = [100, 1_000, 10_000] as const
const SCRAPES = 5
const PODS_A_DEPLOYMENT = 10
const PODS_A_NODE = 100

const time = '2026-11-01T00:00:00Z'

function pod(i: number): unknown {
  const app = `app-${Math.floor(i / PODS_A_DEPLOYMENT)}`
  return {
    metadata: {
      namespace: `team-${i % 20}`,
      name: `${app}-7fdc7bd88b-${i}`,
      uid: crypto.randomUUID(),
      creationTimestamp: time,
      labels: { app, 'pod-template-hash': '7fdc7bd88b', 'app.kubernetes.io/part-of': 'bench' },
      annotations: i % 10 === 0 ? { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '8080' } : {},
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${app}-7fdc7bd88b`, uid: 'x', controller: true },
      ],
    },
    spec: {
      nodeName: `node-${Math.floor(i / PODS_A_NODE)}`,
      restartPolicy: 'Always',
      containers: [
        {
          name: 'main',
          image: 'registry.example/app:1',
          ports: [{ name: 'http', containerPort: 8080 }],
          resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '1', memory: '256Mi' } },
        },
      ],
    },
    status: {
      phase: 'Running',
      podIP: `127.70.129.${i % 250}`,
      hostIP: '127.70.0.1',
      startTime: time,
      conditions: ['Ready', 'PodScheduled', 'ContainersReady'].map((type) => ({ type, status: 'True' })),
      containerStatuses: [
        {
          name: 'main',
          image: 'registry.example/app:1',
          imageID: 'sha256:0',
          containerID: 'process://x',
          ready: true,
          restartCount: 0,
          state: { running: { startedAt: time } },
        },
      ],
    },
  }
}

function world(pods: number): (type: ResourceType) => readonly KubeObject[] {
  const replicas = {
    replicas: PODS_A_DEPLOYMENT,
    availableReplicas: PODS_A_DEPLOYMENT,
    readyReplicas: PODS_A_DEPLOYMENT,
  }
  const each = (count: number, make: (i: number) => unknown): unknown[] =>
    Array.from({ length: count }, (_, i) => make(i))
  const named = (kind: string) => (i: number) => ({
    metadata: {
      namespace: `team-${i % 20}`,
      name: `${kind}-${i}`,
      uid: `${i}`,
      creationTimestamp: time,
      generation: 1,
    },
    spec: { replicas: PODS_A_DEPLOYMENT, ports: [{ port: 80 }] },
    status: replicas,
  })
  const objects: Readonly<Record<string, readonly unknown[]>> = {
    pods: each(pods, pod),
    deployments: each(pods / PODS_A_DEPLOYMENT, named('deployment')),
    replicasets: each((pods / PODS_A_DEPLOYMENT) * 2, named('replicaset')),
    services: each(pods / PODS_A_DEPLOYMENT, named('service')),
    nodes: each(pods / PODS_A_NODE, (i) => ({
      metadata: { name: `node-${i}` },
      status: { capacity: { cpu: '8', memory: '32Gi', pods: '110' }, conditions: [{ type: 'Ready', status: 'True' }] },
    })),
  }
  return ({ resource }) => (objects[resource] ?? []) as readonly KubeObject[]
}

interface Cost {
  readonly mib: number
  readonly cpuMs: number
  readonly wallMs: number
  /** By the clock, hence with whatever else the machine did meanwhile. */
  readonly longestHoldMs: number
  /** By the CPU time of this thread alone. */
  readonly longestTurnMs: number
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

/** Reads a document to its end while a chain of immediates notes how long it is held up. */
async function costOf(read: () => AsyncIterable<Uint8Array>): Promise<Cost> {
  let longestHoldMs = 0
  let longestTurnMs = 0
  let isDone = false
  let last = performance.now()
  let lastCpuMs = threadCpuMs()
  const look = (): void => {
    const [now, cpuMs] = [performance.now(), threadCpuMs()]
    longestHoldMs = Math.max(longestHoldMs, now - last)
    longestTurnMs = Math.max(longestTurnMs, cpuMs - lastCpuMs)
    last = now
    lastCpuMs = cpuMs
    if (!isDone) setImmediate(look)
  }
  setImmediate(look)
  await new Promise((resolve) => setImmediate(resolve))
  longestHoldMs = 0
  longestTurnMs = 0
  const before = process.cpuUsage()
  const began = performance.now()
  let bytes = 0
  for await (const piece of read()) bytes += piece.length
  const wallMs = performance.now() - began
  const { user, system } = process.cpuUsage(before)
  await new Promise((resolve) => setImmediate(resolve))
  isDone = true
  return { mib: bytes / 1024 / 1024, cpuMs: (user + system) / 1_000, wallMs, longestHoldMs, longestTurnMs }
}

const middle = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

console.log(describeMachine())
const rows: Record<string, string | number>[] = []
for (const pods of POD_COUNTS) {
  const list = world(pods)
  const documents: readonly (readonly [string, () => AsyncIterable<Uint8Array>])[] = [
    ['/metrics/state', () => stateMetrics(list, () => performance.now())],
    ['/metrics/targets/pod', () => scrapeTargets('pod', new URLSearchParams(), list)!],
    [
      '…/pod?annotation=prometheus.io/scrape',
      () => scrapeTargets('pod', new URLSearchParams({ annotation: 'prometheus.io/scrape' }), list)!,
    ],
  ]
  for (const [document, read] of documents) {
    const costs: Cost[] = []
    for (let i = 0; i < SCRAPES; i++) costs.push(await costOf(read))
    const of = (key: keyof Cost): number => Number(middle(costs.map((cost) => cost[key])).toFixed(2))
    rows.push({
      pods,
      document,
      MiB: of('mib'),
      'CPU ms': of('cpuMs'),
      'wall ms': of('wallMs'),
      'longest hold ms': of('longestHoldMs'),
      'of it CPU ms': of('longestTurnMs'),
    })
  }
}
console.table(rows)
