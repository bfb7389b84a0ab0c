import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ContainerUsage } from './usage-source.ts'

/** What the cgroup of one run of a container counts. */
export type CgroupUsage = ContainerUsage

/** Where the cgroups of a process stand, by the controller that is meant. */
export interface CgroupPaths {
  readonly version: 1 | 2
  readonly cpu: string
  readonly memory: string
  readonly pids: string | undefined
}

const ROOT = '/sys/fs/cgroup'

/**
 * Reads /proc/<pid>/cgroup: lines of `id:controllers:path`, one without controllers for version 2. Undefined when
 * neither version has what is counted, or the process stands in the root, where nothing is counted for it alone.
 */
export function cgroupPaths(text: string): CgroupPaths | undefined {
  const paths = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, controllers, ...path] = line.split(':')
    if (controllers !== undefined) for (const name of controllers.split(',')) paths.set(name, path.join(':'))
  }
  const of = (controller: string): string | undefined => {
    const path = paths.get(controller)
    return path === undefined || path === '/' || path.includes('/../') ? undefined : path
  }
  const [cpu, memory, pids, unified] = [of('cpuacct'), of('memory'), of('pids'), of('')]
  if (cpu !== undefined && memory !== undefined)
    return {
      version: 1,
      cpu: join(ROOT, 'cpuacct', cpu),
      memory: join(ROOT, 'memory', memory),
      pids: pids === undefined ? undefined : join(ROOT, 'pids', pids),
    }
  if (unified === undefined) return undefined
  const path = join(ROOT, unified)
  return { version: 2, cpu: path, memory: path, pids: path }
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
}

/** From cpuacct.usage, memory.usage_in_bytes and memory.stat of version 1. */
export function usageV1(cpu: string, memory: string, stat: string, pids: string): CgroupUsage {
  const usage = Number(memory)
  return {
    cpuNanoseconds: Number(cpu),
    workingSetBytes: Math.max(0, usage - field(stat, 'total_inactive_file')),
    rssBytes: field(stat, 'total_rss'),
    processes: Number(pids),
  }
}

/** From cpu.stat, memory.current and memory.stat of version 2. */
export function usageV2(cpuStat: string, memory: string, stat: string, pids: string): CgroupUsage {
  return {
    cpuNanoseconds: field(cpuStat, 'usage_usec') * 1000,
    workingSetBytes: Math.max(0, Number(memory) - field(stat, 'inactive_file')),
    rssBytes: field(stat, 'anon'),
    processes: Number(pids),
  }
}

function read(path: string): string {
  return readFileSync(path, 'latin1').trim()
}

/** Reads the cgroups of containers, each of whose places is looked up once. */
export class CgroupReader {
  readonly #paths = new Map<string, CgroupPaths | undefined>()

  /** Usage of the container whose first process has this number; undefined when it cannot be read. */
  read(id: string, pid: number): CgroupUsage | undefined {
    try {
      let paths = this.#paths.get(id)
      if (paths === undefined) {
        paths = cgroupPaths(read(`/proc/${pid}/cgroup`))
        // The process of another container, or of nobody, by now; or the number is one of another machine.
        if (paths === undefined || !paths.memory.includes(id.slice(0, 12))) return undefined
        this.#paths.set(id, paths)
      }
      const pids = paths.pids === undefined ? '0' : read(join(paths.pids, 'pids.current'))
      const stat = read(join(paths.memory, 'memory.stat'))
      return paths.version === 1
        ? usageV1(read(join(paths.cpu, 'cpuacct.usage')), read(join(paths.memory, 'memory.usage_in_bytes')), stat, pids)
        : usageV2(read(join(paths.cpu, 'cpu.stat')), read(join(paths.memory, 'memory.current')), stat, pids)
    } catch {
      return undefined
    }
  }

  /** Forgets all but these. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#paths.keys()) if (!ids.has(id)) this.#paths.delete(id)
  }
}
