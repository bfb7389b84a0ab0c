import { quantityToMilli, quantityToNumber } from '../../../api/quantity.ts'
import type { Node, Taint } from '../../../api/types/core-v1.gen.ts'
import type { HostPort, PodInfo } from './pod-info.ts'

const ANY_ADDRESS = '0.0.0.0'
const NO_LABELS: Readonly<Record<string, string>> = {}

/** A node and what its pods have taken of it. Kept up to date pod by pod; never scanned for what it can add up. */
export class NodeInfo {
  readonly name: string
  /** Undefined while only pods on it are known. */
  node: Node | undefined
  labels: Readonly<Record<string, string>> = NO_LABELS
  taints: readonly Taint[] = []
  unschedulable = false
  cpuMilli = 0
  memoryBytes = 0
  podCountMax = 0
  others: ReadonlyMap<string, number> = new Map()
  requestedCpuMilli = 0
  requestedMemoryBytes = 0
  countedCpuMilli = 0
  countedMemoryBytes = 0
  readonly requestedOthers = new Map<string, number>()
  readonly pods = new Map<string, PodInfo>()
  /** By `protocol/port`: how many pods hold it on each address. */
  readonly #hostPorts = new Map<string, Map<string, number>>()

  constructor(name: string) {
    this.name = name
  }

  setNode(node: Node | undefined): void {
    this.node = node
    this.labels = node?.metadata?.labels ?? NO_LABELS
    this.taints = node?.spec?.taints ?? []
    this.unschedulable = node?.spec?.unschedulable === true
    const { cpu = '0', memory = '0', pods = '0', ...others } = node?.status?.allocatable ?? {}
    this.cpuMilli = quantityToMilli(cpu)
    this.memoryBytes = quantityToNumber(memory)
    this.podCountMax = quantityToNumber(pods)
    this.others = new Map(Object.entries(others).map(([name, text]) => [name, quantityToNumber(text)]))
  }

  addPod(pod: PodInfo): void {
    this.pods.set(pod.key, pod)
    this.#count(pod, 1)
  }

  removePod(key: string): PodInfo | undefined {
    const pod = this.pods.get(key)
    if (pod === undefined) return undefined
    this.pods.delete(key)
    this.#count(pod, -1)
    return pod
  }

  /** Whether somebody already holds this port on this address or on all of them. */
  isPortTaken({ ip, protocol, port }: HostPort): boolean {
    const holders = this.#hostPorts.get(`${protocol}/${port}`)
    if (holders === undefined) return false
    return ip === ANY_ADDRESS || holders.has(ANY_ADDRESS) || holders.has(ip)
  }

  #count(pod: PodInfo, sign: 1 | -1): void {
    this.requestedCpuMilli += sign * pod.requests.cpuMilli
    this.requestedMemoryBytes += sign * pod.requests.memoryBytes
    this.countedCpuMilli += sign * pod.countedCpuMilli
    this.countedMemoryBytes += sign * pod.countedMemoryBytes
    for (const [resource, amount] of pod.others) {
      this.requestedOthers.set(resource, (this.requestedOthers.get(resource) ?? 0) + sign * amount)
    }
    for (const { ip, protocol, port } of pod.hostPorts) {
      const key = `${protocol}/${port}`
      const holders = this.#hostPorts.get(key) ?? new Map<string, number>()
      const count = (holders.get(ip) ?? 0) + sign
      if (count > 0) holders.set(ip, count)
      else holders.delete(ip)
      if (holders.size > 0) this.#hostPorts.set(key, holders)
      else this.#hostPorts.delete(key)
    }
  }
}
