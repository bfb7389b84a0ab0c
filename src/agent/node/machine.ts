import { readFileSync, statfsSync } from 'node:fs'
import { arch, availableParallelism, release, totalmem } from 'node:os'
import type { NodeSystemInfo } from '../../api/types/core-v1.gen.ts'

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}

/** Names of architectures as Kubernetes writes them. */
export function architecture(): string {
  const name = arch()
  return name === 'x64' ? 'amd64' : name === 'ia32' ? '386' : name
}

/** What this machine is, for `status.nodeInfo`. All nodes of one machine tell the same. */
export function systemInfo(runtime: string, kubeletVersion: string): NodeSystemInfo {
  const osImage = /^PRETTY_NAME="?([^"\n]*)/m.exec(read('/etc/os-release'))?.[1] ?? 'Linux'
  return {
    architecture: architecture(),
    bootID: read('/proc/sys/kernel/random/boot_id'),
    containerRuntimeVersion: runtime,
    kernelVersion: release(),
    kubeProxyVersion: '',
    kubeletVersion,
    machineID: read('/etc/machine-id'),
    operatingSystem: 'linux',
    osImage,
    systemUUID: read('/sys/class/dmi/id/product_uuid') || read('/etc/machine-id'),
  }
}

/** `max-pods` of the kubelet. */
const PODS_MAX = 110

/** The machine's capacity. Nodes that share a machine each show all of it: the scheduler counts them apart. */
export function machineCapacity(directory: string): Readonly<Record<string, string>> {
  const disk = statfsSync(directory)
  return {
    cpu: String(availableParallelism()),
    'ephemeral-storage': `${Math.floor((disk.blocks * disk.bsize) / 1024)}Ki`,
    memory: `${Math.floor(totalmem() / 1024)}Ki`,
    pods: String(PODS_MAX),
  }
}

export interface Pressure {
  readonly memory: boolean
  readonly disk: boolean
  readonly pids: boolean
}

const MEMORY_BYTES_MIN = 100 * 1024 * 1024
/** Far below the kubelet's tenth of the disk: a full laptop is no reason to schedule nothing. */
const DISK_BYTES_MIN = 256 * 1024 * 1024
const INODES_SHARE_MIN = 0.01
const PIDS_SHARE_MIN = 0.05

/** Whether the machine runs short of something that pods need. */
export function machinePressure(directory: string): Pressure {
  const available = /^MemAvailable:\s+(\d+) kB/m.exec(read('/proc/meminfo'))?.[1]
  const disk = statfsSync(directory)
  const inodesLow = disk.files > 0 && disk.ffree / disk.files < INODES_SHARE_MIN
  const tasks = Number(/\/(\d+) /.exec(read('/proc/loadavg'))?.[1] ?? 0)
  const pidsMax = Number(read('/proc/sys/kernel/pid_max') || 0)
  return {
    memory: available !== undefined && Number(available) * 1024 < MEMORY_BYTES_MIN,
    disk: disk.bavail * disk.bsize < DISK_BYTES_MIN || inodesLow,
    pids: pidsMax > 0 && 1 - tasks / pidsMax < PIDS_SHARE_MIN,
  }
}
