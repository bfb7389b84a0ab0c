import { quantityToMilli, quantityToNumber } from '../../../api/quantity.ts'
import type { Node, Taint } from '../../../api/types/core-v1.gen.ts'
import { NodeRows, ROW_LENGTH } from './node-rows.ts'
import type { HostPort, PodInfo } from './pod-info.ts'

const ANY_ADDRESS = '0.0.0.0'
const NO_LABELS: Readonly<Record<string, string>> = {}
const NO_TAINTS: readonly Taint[] = []

/** What a node's row holds. */
const PODS = 0
const PODS_MAX = 1
const CPU = 2
const CPU_REQUESTED = 3
const MEMORY = 4
const MEMORY_REQUESTED = 5
const CPU_COUNTED = 6
const MEMORY_COUNTED = 7

/** A node and what its pods have taken of it. Kept up to date pod by pod; never scanned for what it can add up. */
export class NodeInfo {
  /** Its place in columns of numbers. */
  readonly slot: number
  readonly #rows: NodeRows
  unschedulable = false
  hasTaints = false
  readonly name: string
  /** Undefined while only pods on it are known. */
  node: Node | undefined
  labels: Readonly<Record<string, string>> = NO_LABELS
  taints: readonly Taint[] = NO_TAINTS
  others: ReadonlyMap<string, number> = new Map()
  readonly requestedOthers = new Map<string, number>()
  readonly pods = new Map<string, PodInfo>()
  /** By priority: how many pods have it. */
  readonly #priorities = new Map<number, number>()
  /** By `protocol/port`: how many pods hold it on each address. */
  readonly #hostPorts = new Map<string, Map<string, number>>()

  constructor(name: string, rows: NodeRows = new NodeRows()) {
    this.name = name
    this.#rows = rows
    this.slot = rows.allocate()
  }

  get podCount(): number {
    return this.#get(PODS)
  }

  get podCountMax(): number {
    return this.#get(PODS_MAX)
  }

  /** Allocatable. */
  get cpuMilli(): number {
    return this.#get(CPU)
  }

  get memoryBytes(): number {
    return this.#get(MEMORY)
  }

  /** The sum of what its pods request. */
  get requestedCpuMilli(): number {
    return this.#get(CPU_REQUESTED)
  }

  get requestedMemoryBytes(): number {
    return this.#get(MEMORY_REQUESTED)
  }

  /** The same, where a container that requests nothing counts as if it requested a little. */
  get countedCpuMilli(): number {
    return this.#get(CPU_COUNTED)
  }

  get countedMemoryBytes(): number {
    return this.#get(MEMORY_COUNTED)
  }

  /** That of its least important pod; infinite without any. */
  get lowestPriority(): number {
    let lowest = Number.POSITIVE_INFINITY
    for (const priority of this.#priorities.keys()) if (priority < lowest) lowest = priority
    return lowest
  }

  setNode(node: Node | undefined): void {
    this.node = node
    this.labels = node?.metadata?.labels ?? NO_LABELS
    this.taints = node?.spec?.taints ?? NO_TAINTS
    this.hasTaints = this.taints.length > 0
    this.unschedulable = node?.spec?.unschedulable === true
    const { cpu = '0', memory = '0', pods = '0', ...others } = node?.status?.allocatable ?? {}
    const { data } = this.#rows
    const row = this.slot * ROW_LENGTH
    data[row + CPU] = quantityToMilli(cpu)
    data[row + MEMORY] = quantityToNumber(memory)
    data[row + PODS_MAX] = quantityToNumber(pods)
    this.others = new Map(Object.entries(others).map(([name, text]) => [name, quantityToNumber(text)]))
  }

  addPod(pod: PodInfo): void {
    this.pods.set(pod.key, pod)
    this.#priorities.set(pod.priority, (this.#priorities.get(pod.priority) ?? 0) + 1)
    this.count(pod, 1)
  }

  removePod(key: string): PodInfo | undefined {
    const pod = this.pods.get(key)
    if (pod === undefined) return undefined
    this.pods.delete(key)
    const others = this.#priorities.get(pod.priority)! - 1
    if (others > 0) this.#priorities.set(pod.priority, others)
    else this.#priorities.delete(pod.priority)
    this.count(pod, -1)
    return pod
  }

  /** Whether somebody already holds this port on this address or on all of them. */
  isPortTaken({ ip, protocol, port }: HostPort): boolean {
    const holders = this.#hostPorts.get(`${protocol}/${port}`)
    if (holders === undefined) return false
    return ip === ANY_ADDRESS || holders.has(ANY_ADDRESS) || holders.has(ip)
  }

  /** Counts a pod in or out, without its being on the node or not: what a trial does, to be undone in the same turn. */
  count(pod: PodInfo, sign: 1 | -1): void {
    const { data } = this.#rows
    const row = this.slot * ROW_LENGTH
    data[row + PODS]! += sign
    data[row + CPU_REQUESTED]! += sign * pod.requests.cpuMilli
    data[row + MEMORY_REQUESTED]! += sign * pod.requests.memoryBytes
    data[row + CPU_COUNTED]! += sign * pod.countedCpuMilli
    data[row + MEMORY_COUNTED]! += sign * pod.countedMemoryBytes
    for (const [resource, amount] of pod.others) {
      this.requestedOthers.set(resource, (this.requestedOthers.get(resource) ?? 0) + sign * amount)
    }
    for (const port of pod.hostPorts) this.#countPort(port, sign)
  }

  #get(column: number): number {
    return this.#rows.data[this.slot * ROW_LENGTH + column]!
  }

  #countPort({ ip, protocol, port }: HostPort, sign: 1 | -1): void {
    const key = `${protocol}/${port}`
    const holders = this.#hostPorts.get(key) ?? new Map<string, number>()
    const count = (holders.get(ip) ?? 0) + sign
    if (count > 0) holders.set(ip, count)
    else holders.delete(ip)
    if (holders.size > 0) this.#hostPorts.set(key, holders)
    else this.#hostPorts.delete(key)
  }
}
