import type { ContainerStats, CpuStats, MemoryStats, PodStats, StatsSummary } from '../../api/stats-summary.ts'
import type { UsagePoint } from './usage-rate.ts'

/** What a node said of itself and its pods at one moment. */
export interface NodeSample {
  readonly node: UsagePoint | undefined
  /** Pod's uid → container's name → its usage. */
  readonly pods: ReadonlyMap<string, ReadonlyMap<string, UsagePoint>>
}

/** A node has 110 pods; what says that it has many more is not believed. */
const PODS_MAX = 5_000
const CONTAINERS_MAX = 100

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(Math.trunc(value)) && value >= 0
}

/** Undefined where a number is missing or cannot be right: no number is better than a wrong one. */
function pointOf(cpu: Partial<CpuStats> | undefined, memory: Partial<MemoryStats> | undefined): UsagePoint | undefined {
  const atMs = typeof cpu?.time === 'string' ? Date.parse(cpu.time) : Number.NaN
  const cpuNanoseconds = cpu?.usageCoreNanoSeconds
  const workingSetBytes = memory?.workingSetBytes
  if (Number.isNaN(atMs) || !isCount(cpuNanoseconds) || !isCount(workingSetBytes)) return undefined
  return { atMs, cpuNanoseconds, workingSetBytes: Math.trunc(workingSetBytes) }
}

function arrayOf<T>(value: unknown, atMost: number): readonly (Partial<T> | undefined)[] {
  return Array.isArray(value) ? value.slice(0, atMost) : []
}

/**
 * Reads a node's `/stats/summary`. The node is a stranger as far as this goes: every field may be missing or anything
 * else, and what cannot be used is left out. Throws for what is no JSON object.
 */
export function decodeSummary(text: string): NodeSample {
  const summary: Partial<StatsSummary> = JSON.parse(text)
  if (typeof summary !== 'object' || summary === null) throw new Error('the summary of a node is no object')
  const pods = new Map<string, ReadonlyMap<string, UsagePoint>>()
  for (const pod of arrayOf<PodStats>(summary.pods, PODS_MAX)) {
    const uid: unknown = pod?.podRef?.uid
    if (typeof uid !== 'string') continue
    const containers = new Map<string, UsagePoint>()
    for (const container of arrayOf<ContainerStats>(pod?.containers, CONTAINERS_MAX)) {
      const point = pointOf(container?.cpu, container?.memory)
      if (typeof container?.name === 'string' && point !== undefined) containers.set(container.name, point)
    }
    pods.set(uid, containers)
  }
  return { node: pointOf(summary.node?.cpu, summary.node?.memory), pods }
}
