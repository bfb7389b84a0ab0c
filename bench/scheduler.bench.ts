/** The scheduler on simulated clusters: decisions alone, and pods bound through the API: `node bench/scheduler.bench.ts`. */
import { DEFINITIONS } from '../src/api/definitions/all.ts'
import { NAMESPACES, NODES, PODS, SERVICES } from '../src/api/resource-type.ts'
import type { Node, Pod, PodSpec } from '../src/api/types/core-v1.gen.ts'
import { systemClock } from '../src/base/clock.ts'
import { silentLogger } from '../src/base/logger.ts'
import { createClient } from '../src/client/create-client.ts'
import { createEventRecorder } from '../src/client/event-recorder.ts'
import { createInformerFactory } from '../src/client/informer-factory.ts'
import { createApiServer } from '../src/controlplane/apiserver/api-server.ts'
import { CONTROL_PLANE_USER } from '../src/controlplane/apiserver/user.ts'
import { ClusterState } from '../src/controlplane/scheduler/cluster/cluster-state.ts'
import { podInfoOf } from '../src/controlplane/scheduler/cluster/pod-info.ts'
import { podSelectorOfMap } from '../src/controlplane/scheduler/cluster/pod-selector.ts'
import { decide } from '../src/controlplane/scheduler/decide.ts'
import { planPreemption } from '../src/controlplane/scheduler/preemption/plan-preemption.ts'
import { startScheduler } from '../src/controlplane/scheduler/start-scheduler.ts'
import { createMemoryStore } from '../src/controlplane/store/memory-store.ts'
import { describeMachine } from './describe-machine.ts'

const NODE_COUNTS = [100, 1_000, 5_000] as const
const PODS_MAX = 6_000
const PREEMPTIONS = 200
/** Requests to the API at once while a cluster is set up. */
const SETUP_WRITES = 64
const BIND_WITHIN_MS = 30_000

/** `apps`: how many workloads the pods belong to. */
const WORKLOADS = [
  { workload: 'plain', apps: 50 },
  { workload: 'spread by default', apps: 50 },
  { workload: 'spread by default', apps: 2_000 },
  { workload: 'zone spread', apps: 1 },
  { workload: 'host anti-affinity', apps: 100 },
  { workload: 'preferred affinity', apps: 50 },
] as const
type Workload = (typeof WORKLOADS)[number]['workload']

interface Row {
  readonly nodes: number
  readonly pods: number
  readonly workload: string
  readonly 'pods/s': number
  /** Of the whole process; what remains comparable on a machine that does other things, too. */
  readonly 'CPU µs/pod': number
  readonly 'p99 ms'?: number
}

function simulatedNode(i: number, cpu = '32'): Node {
  const name = `node-${i}`
  const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${i % 3}` }
  const allocatable = { cpu, memory: '64Gi', pods: '110' }
  return { metadata: { name, labels }, status: { allocatable } }
}

function specFor(workload: Workload, app: string): Partial<PodSpec> {
  const labelSelector = { matchLabels: { app } }
  const host = { topologyKey: 'kubernetes.io/hostname', labelSelector }
  switch (workload) {
    case 'zone spread': {
      const constraint = { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' }
      return { topologySpreadConstraints: [{ ...constraint, labelSelector }] }
    }
    case 'host anti-affinity':
      return { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [host] } } }
    case 'preferred affinity': {
      const terms = [{ weight: 10, podAffinityTerm: host }]
      return { affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: terms } } }
    }
    default:
      return {}
  }
}

function simulatedPod(i: number, workload: Workload, apps: number): Pod {
  const app = `app-${i % apps}`
  const requests = { cpu: `${100 + (i % 7) * 50}m`, memory: `${128 + (i % 5) * 64}Mi` }
  return {
    metadata: { namespace: 'default', name: `pod-${i}`, uid: `${i}`, labels: { app } },
    spec: {
      containers: [{ name: 'main', image: 'main', command: ['true'], resources: { requests } }],
      ...specFor(workload, app),
    },
  }
}

function seeded(): () => number {
  let seed = 1
  return () => {
    seed = (seed * 48_271) % 0x7fffffff
    return seed / 0x7fffffff
  }
}

function cpuMicros(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return user + system
}

/** Calls for 0 to `count` - 1; gives the rate and the ninety-ninth percentile of what one call takes. */
function timed(count: number, call: (i: number) => void): Pick<Row, 'pods' | 'pods/s' | 'CPU µs/pod' | 'p99 ms'> {
  const times = new Float64Array(count)
  const cpu = process.cpuUsage()
  const began = performance.now()
  for (let i = 0; i < count; i++) {
    const at = performance.now()
    call(i)
    times[i] = performance.now() - at
  }
  const seconds = (performance.now() - began) / 1_000
  times.sort()
  return {
    pods: count,
    'pods/s': Math.round(count / seconds),
    'CPU µs/pod': Math.round(cpuMicros(cpu) / count),
    'p99 ms': Math.round(times[Math.floor(count * 0.99)]! * 100) / 100,
  }
}

function decisions(nodeCount: number, workload: Workload, apps: number): Row {
  const state = new ClusterState(({ labels }) =>
    workload === 'spread by default' ? podSelectorOfMap({ app: labels.app ?? '' }) : undefined,
  )
  for (let i = 0; i < nodeCount; i++) state.setNode(simulatedNode(i))
  const pods = Array.from({ length: Math.min(PODS_MAX, nodeCount * 40) }, (_, i) => simulatedPod(i, workload, apps))
  const random = seeded()
  let start = 0
  const times = timed(pods.length, (i) => {
    const info = podInfoOf(pods[i]!)
    const decision = decide(info, state, { start, random })
    start = decision.nextStart
    if (decision.kind === 'wait') throw new Error(`${info.key} was refused`)
    state.setPod(info, decision.node.name)
  })
  return { nodes: nodeCount, workload: `${workload}, ${apps} workloads`, ...times }
}

/** Each pod has to take away another from a node that is full of less important ones. */
function preemptions(nodeCount: number): Row {
  const state = new ClusterState()
  for (let i = 0; i < nodeCount; i++) {
    state.setNode(simulatedNode(i, '4'))
    for (let j = 0; j < 4; j++) {
      const metadata = { namespace: 'default', name: `low-${i}-${j}`, uid: `low-${i}-${j}` }
      const containers = [{ name: 'main', resources: { requests: { cpu: '1' } } }]
      state.setPod(podInfoOf({ metadata, spec: { priority: j, containers } }), `node-${i}`)
    }
  }
  const random = seeded()
  const times = timed(PREEMPTIONS, (i) => {
    const containers = [{ name: 'main', resources: { requests: { cpu: '2' } } }]
    const metadata = { namespace: 'default', name: `high-${i}`, uid: `high-${i}` }
    const info = podInfoOf({ metadata, spec: { priority: 100, containers } })
    const decision = decide(info, state, { start: 0, random })
    const plan = decision.kind === 'wait' ? planPreemption(info, decision, state, [], random) : undefined
    if (plan?.kind !== 'candidate') throw new Error(`${info.key} found nobody to take away`)
    for (const { key } of plan.victims) state.removePod(key)
    state.setPod(info, plan.node.name)
  })
  return { nodes: nodeCount, workload: 'preemption', ...times }
}

async function inParallel(count: number, call: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await call(next++)
  }
  await Promise.all(Array.from({ length: SETUP_WRITES }, worker))
}

/** From the scheduler's start with all pods waiting until the API has shown every one on a node. */
async function throughTheApi(nodeCount: number): Promise<Row> {
  const apps = 50
  const podCount = Math.min(PODS_MAX, nodeCount * 40)
  const common = { clock: systemClock, logger: silentLogger, random: Math.random }
  const store = createMemoryStore()
  const server = await createApiServer({
    ...common,
    store,
    definitions: DEFINITIONS,
    admission: [],
    authorizer: { authorize: () => ({ allowed: true, reason: '' }) },
    version: 'v1.36.0',
  })
  const client = createClient(server.transport(CONTROL_PLANE_USER))
  await client.create(NAMESPACES, { metadata: { name: 'default' } })
  await inParallel(nodeCount, (i) => client.create(NODES, simulatedNode(i)))
  await inParallel(apps, (i) =>
    client.create(SERVICES, {
      metadata: { namespace: 'default', name: `app-${i}` },
      spec: {
        clusterIP: 'None',
        selector: { app: `app-${i}` },
        ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
      },
    }),
  )
  await inParallel(podCount, (i) => {
    const { metadata, spec } = simulatedPod(i, 'spread by default', apps)
    return client.create(PODS, { metadata: { ...metadata, uid: undefined }, spec: spec! } as Pod)
  })
  const informers = createInformerFactory({ client, ...common })
  const pods = informers.for(PODS)
  await Promise.all([pods.synced, informers.for(NODES).synced])
  const done = Promise.withResolvers<void>()
  const giveUp = setTimeout(() => done.reject(new Error('not every pod was bound')), BIND_WITHIN_MS)
  let bound = 0
  pods.onChange((change) => {
    if (change.type !== 'modified' || change.previous.spec?.nodeName || !change.object.spec?.nodeName) return
    bound += 1
    if (bound === podCount) done.resolve()
  })
  const events = createEventRecorder({ ...common, client, component: 'default-scheduler' })
  const cpu = process.cpuUsage()
  const began = performance.now()
  const scheduler = startScheduler({ ...common, client, informers, events })
  try {
    await done.promise
    const seconds = (performance.now() - began) / 1_000
    const workload = 'bound through the API, spread by default'
    return {
      nodes: nodeCount,
      pods: podCount,
      workload,
      'pods/s': Math.round(podCount / seconds),
      'CPU µs/pod': Math.round(cpuMicros(cpu) / podCount),
    }
  } finally {
    clearTimeout(giveUp)
    await scheduler.close()
    informers.close()
    await server.close()
    await store.close()
  }
}

/** Up to 6,000 pods on empty clusters (for preemption: 200 on full ones); prints a table. */
export async function run(): Promise<readonly Row[]> {
  process.stdout.write(`scheduler: decisions, and bindings on the memory store; ${describeMachine()}\n`)
  const rows: Row[] = []
  for (const nodes of NODE_COUNTS) {
    for (const { workload, apps } of WORKLOADS) rows.push(decisions(nodes, workload, apps))
    rows.push(preemptions(nodes))
  }
  for (const nodes of NODE_COUNTS) rows.push(await throughTheApi(nodes))
  console.table(rows)
  return rows
}

if (import.meta.main) await run()
