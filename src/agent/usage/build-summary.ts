import type { ContainerStats, CpuStats, FsStats, MemoryStats, PodStats, StatsSummary } from '../../api/stats-summary.ts'
import type { SandboxState } from '../runtime/runtime.ts'
import { nanoCores } from './nano-cores.ts'
import type { UsageSample, UsageWindow } from './usage-sampler.ts'
import { type ContainerUsage, usageKey } from './usage-source.ts'

/** What containers of one pod use together: of all that ever ran in it, so that the counter of the pod never goes back. */
export function podUsage(sandbox: SandboxState, sample: UsageSample): ContainerUsage | undefined {
  const names = new Set(sandbox.containers.map(({ name }) => name))
  const all = [...names].flatMap((name) => sample.containers.get(usageKey(sandbox.podUid, name)) ?? [])
  if (all.length === 0) return undefined
  const sum = (read: (usage: ContainerUsage) => number): number => all.reduce((total, usage) => total + read(usage), 0)
  return {
    cpuNanoseconds: sum((usage) => usage.cpuNanoseconds),
    workingSetBytes: sum((usage) => usage.workingSetBytes),
    rssBytes: sum((usage) => usage.rssBytes),
    processes: sum((usage) => usage.processes),
  }
}

type Counter = (sample: UsageSample) => number | undefined

function cpuStats({ last, earlier }: UsageWindow, counter: Counter): CpuStats {
  const cpuNanoseconds = counter(last) ?? 0
  const before = earlier && counter(earlier)
  const rate =
    earlier === undefined || before === undefined
      ? undefined
      : nanoCores({ atMs: last.atMs, cpuNanoseconds }, { atMs: earlier.atMs, cpuNanoseconds: before })
  return {
    time: new Date(last.atMs).toISOString(),
    ...(rate === undefined ? {} : { usageNanoCores: rate }),
    usageCoreNanoSeconds: cpuNanoseconds,
  }
}

function memoryStats({ last }: UsageWindow, { workingSetBytes, rssBytes }: ContainerUsage): MemoryStats {
  return { time: new Date(last.atMs).toISOString(), usageBytes: workingSetBytes, workingSetBytes, rssBytes }
}

function containerStats(window: UsageWindow, sandbox: SandboxState): readonly ContainerStats[] {
  return sandbox.containers
    .filter(({ phase }) => phase === 'running')
    .flatMap(({ name, startedAtMs }) => {
      const key = usageKey(sandbox.podUid, name)
      const usage = window.last.containers.get(key)
      if (usage === undefined) return []
      const cpu = cpuStats(window, (sample) => sample.containers.get(key)?.cpuNanoseconds)
      return [{ name, startTime: new Date(startedAtMs).toISOString(), cpu, memory: memoryStats(window, usage) }]
    })
}

function podStats(window: UsageWindow, sandbox: SandboxState): PodStats | undefined {
  const containers = containerStats(window, sandbox)
  const usage = podUsage(sandbox, window.last)
  if (containers.length === 0 || usage === undefined) return undefined
  const { podUid: uid, podName: name, podNamespace: namespace } = sandbox
  return {
    podRef: { name, namespace, uid },
    startTime: new Date(Math.min(...sandbox.containers.map(({ startedAtMs }) => startedAtMs))).toISOString(),
    containers,
    cpu: cpuStats(window, (sample) => podUsage(sandbox, sample)?.cpuNanoseconds),
    memory: memoryStats(window, usage),
    process_stats: { process_count: usage.processes },
  }
}

/** The kubelet's Summary of one node: its machine, and those of its pods that have a running container. */
export function buildSummary(
  nodeName: string,
  window: UsageWindow,
  sandboxes: readonly SandboxState[],
  fs: FsStats | undefined,
): StatsSummary {
  const { last } = window
  const { memory, bootedAtMs } = last.machine
  return {
    node: {
      nodeName,
      startTime: new Date(bootedAtMs).toISOString(),
      cpu: cpuStats(window, ({ machine }) => machine.cpuNanoseconds),
      memory: {
        time: new Date(last.atMs).toISOString(),
        availableBytes: memory.capacityBytes - memory.workingSetBytes,
        usageBytes: memory.usageBytes,
        workingSetBytes: memory.workingSetBytes,
        rssBytes: memory.rssBytes,
      },
      ...(fs === undefined ? {} : { fs }),
    },
    pods: sandboxes.flatMap((sandbox) => podStats(window, sandbox) ?? []),
  }
}
