import { readFileSync } from 'node:fs'

/** What the whole machine uses. */
export interface MachineUsage {
  /** Nanoseconds of all cores together since boot. */
  readonly cpuNanoseconds: number
  readonly bootedAtMs: number
  readonly memory: {
    readonly capacityBytes: number
    /** Everything that is not free. */
    readonly usageBytes: number
    /** Without the file pages that nobody has asked for lately: what the kubelet evicts by. */
    readonly workingSetBytes: number
    readonly rssBytes: number
  }
}

const NANOSECONDS_PER_TICK = 1e7

/**
 * The first line of /proc/stat, in ticks: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice.
 * Busy is all but idle and iowait; the time of guests is in user and nice already, and what was stolen nobody used.
 */
export function busyNanoseconds(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '')
    .split(' ')
    .map(Number)
  return (user + nice + system + irq + softirq) * NANOSECONDS_PER_TICK
}

/** /proc/meminfo in bytes. Working set as the kubelet has it of the root cgroup: what is not free, less inactive files. */
export function machineMemory(meminfo: string): MachineUsage['memory'] {
  const lines = new Map(meminfo.split('\n').map((line) => line.split(':', 2) as [string, string | undefined]))
  const bytes = (name: string): number => Number.parseInt(lines.get(name) ?? '0', 10) * 1024
  const capacityBytes = bytes('MemTotal')
  const usageBytes = capacityBytes - bytes('MemFree')
  return {
    capacityBytes,
    usageBytes,
    workingSetBytes: Math.max(0, usageBytes - bytes('Inactive(file)')),
    rssBytes: bytes('AnonPages'),
  }
}

export function readMachineUsage(): MachineUsage {
  const stat = readFileSync('/proc/stat', 'latin1')
  return {
    cpuNanoseconds: busyNanoseconds(stat),
    bootedAtMs: Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? 0) * 1000,
    memory: machineMemory(readFileSync('/proc/meminfo', 'latin1')),
  }
}
