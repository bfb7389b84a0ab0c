import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import type { Filter, Refusal } from './filter.ts'

/** What of a pod's requests a node could not hold even when empty, or does not have free now. */
function missing(pod: PodInfo, node: NodeInfo): Refusal | undefined {
  const reasons: string[] = []
  let isCurable = true
  const check = (resource: string, amount: number, requested: number, allocatable: number): void => {
    if (amount === 0 || amount <= allocatable - requested) return
    reasons.push(`Insufficient ${resource}`)
    if (amount > allocatable) isCurable = false
  }
  if (node.podCount + 1 > node.podCountMax) reasons.push('Too many pods')
  check('cpu', pod.requests.cpuMilli, node.requestedCpuMilli, node.cpuMilli)
  check('memory', pod.requests.memoryBytes, node.requestedMemoryBytes, node.memoryBytes)
  for (const [resource, amount] of pod.others) {
    check(resource, amount, node.requestedOthers.get(resource) ?? 0, node.others.get(resource) ?? 0)
  }
  return reasons.length === 0 ? undefined : { reasons, isCurable }
}

function fits({ requests, others }: PodInfo, node: NodeInfo): boolean {
  if (node.podCount + 1 > node.podCountMax) return false
  if (requests.cpuMilli > 0 && requests.cpuMilli > node.cpuMilli - node.requestedCpuMilli) return false
  if (requests.memoryBytes > 0 && requests.memoryBytes > node.memoryBytes - node.requestedMemoryBytes) return false
  for (const [resource, amount] of others) {
    if (amount > (node.others.get(resource) ?? 0) - (node.requestedOthers.get(resource) ?? 0)) return false
  }
  return true
}

function isResized({ requests }: PodInfo, previous: PodInfo): boolean {
  return JSON.stringify(requests) !== JSON.stringify(previous.requests)
}

function fitsEmpty({ requests, others }: PodInfo, node: NodeInfo): boolean {
  return (
    node.podCountMax > 0 &&
    requests.cpuMilli <= node.cpuMilli &&
    requests.memoryBytes <= node.memoryBytes &&
    others.every(([resource, amount]) => amount <= (node.others.get(resource) ?? 0))
  )
}

/** Whether the pod fits, or might if pods of lower priority were taken away. */
function mayFit(pod: PodInfo, node: NodeInfo): boolean {
  return fits(pod, node) || (node.lowestPriority < pod.priority && fitsEmpty(pod, node))
}

/** CPU, memory, ephemeral storage, extended resources, and how many pods a node may hold. */
export const nodeResourcesFit: Filter = {
  name: 'NodeResourcesFit',
  prepare: (pod) => (node) => (fits(pod, node) ? undefined : missing(pod, node)),
  hints: {
    nodeChanged: ({ node }, pod) => mayFit(pod, node),
    podRemoved: ({ node }, pod) => mayFit(pod, node),
    podChanged: ({ node, pod, previous }, waiting) => isResized(pod, previous) && mayFit(waiting, node),
  },
}
