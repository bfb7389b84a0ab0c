/** Decisions of the scheduler on simulated clusters, without an API: `node bench/scheduler.bench.ts`. */
import type { Node, Pod, PodSpec } from '../src/api/types/core-v1.gen.ts'
import { ClusterState } from '../src/controlplane/scheduler/cluster/cluster-state.ts'
import { podInfoOf } from '../src/controlplane/scheduler/cluster/pod-info.ts'
import { podSelectorOf } from '../src/controlplane/scheduler/cluster/pod-selector.ts'
import { decide } from '../src/controlplane/scheduler/decide.ts'
import { describeMachine } from './describe-machine.ts'

const NODE_COUNTS = [100, 1_000, 5_000] as const
const PODS_MAX = 10_000
const APPS = 50

type Workload = 'plain' | 'spread by default' | 'zone spread' | 'host anti-affinity'
const WORKLOADS: readonly Workload[] = ['plain', 'spread by default', 'zone spread', 'host anti-affinity']

interface Row {
  readonly nodes: number
  readonly pods: number
  readonly workload: Workload
  readonly 'pods/s': number
  readonly 'p99 ms': number
}

function simulatedNode(i: number): Node {
  const name = `node-${i}`
  const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${i % 3}` }
  const allocatable = { cpu: '32', memory: '64Gi', pods: '110' }
  return { metadata: { name, labels }, status: { allocatable } }
}

function specFor(workload: Workload, app: string): Partial<PodSpec> {
  const labelSelector = { matchLabels: { app } }
  if (workload === 'zone spread') {
    const constraint = { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' }
    return { topologySpreadConstraints: [{ ...constraint, labelSelector }] }
  }
  if (workload === 'host anti-affinity') {
    const term = { topologyKey: 'kubernetes.io/hostname', labelSelector }
    return { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } }
  }
  return {}
}

function simulatedPod(i: number, workload: Workload): Pod {
  const app = `app-${i % APPS}`
  const requests = { cpu: `${100 + (i % 7) * 50}m`, memory: `${128 + (i % 5) * 64}Mi` }
  return {
    metadata: { namespace: 'default', name: `pod-${i}`, uid: `${i}`, labels: { app } },
    spec: { containers: [{ name: 'main', resources: { requests } }], ...specFor(workload, app) },
  }
}

function measure(nodeCount: number, workload: Workload): Row {
  const siblings = new Map(
    Array.from({ length: APPS }, (_, i) => [`app-${i}`, podSelectorOf({ matchLabels: { app: `app-${i}` } })]),
  )
  const state = new ClusterState((pod) =>
    workload === 'spread by default' ? siblings.get(pod.labels.app ?? '') : undefined,
  )
  for (let i = 0; i < nodeCount; i++) state.setNode(simulatedNode(i))
  const podCount = Math.min(PODS_MAX, nodeCount * 40)
  const pods = Array.from({ length: podCount }, (_, i) => simulatedPod(i, workload))
  let seed = 1
  const random = (): number => {
    seed = (seed * 48_271) % 0x7fffffff
    return seed / 0x7fffffff
  }
  const times = new Float64Array(podCount)
  let start = 0
  let placed = 0
  const began = performance.now()
  for (const [i, pod] of pods.entries()) {
    const at = performance.now()
    const info = podInfoOf(pod)
    const decision = decide(info, state, { start, random })
    if (decision.kind === 'place') {
      start = decision.nextStart
      state.setPod(info, decision.node.name)
      placed += 1
    }
    times[i] = performance.now() - at
  }
  const seconds = (performance.now() - began) / 1_000
  if (placed < podCount * 0.9) throw new Error(`only ${placed} of ${podCount} pods were placed`)
  times.sort()
  return {
    nodes: nodeCount,
    pods: podCount,
    workload,
    'pods/s': Math.round(podCount / seconds),
    'p99 ms': Math.round(times[Math.floor(podCount * 0.99)]! * 100) / 100,
  }
}

/** Reads, decides and counts in up to 10,000 pods on empty clusters; prints a table. */
export async function run(): Promise<readonly Row[]> {
  process.stdout.write(`scheduler: decisions without an API; ${describeMachine()}\n`)
  const rows = NODE_COUNTS.flatMap((nodeCount) => WORKLOADS.map((workload) => measure(nodeCount, workload)))
  console.table(rows)
  return rows
}

if (import.meta.main) await run()
