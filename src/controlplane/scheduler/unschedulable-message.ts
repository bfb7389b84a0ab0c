import type { NodeInfo } from './cluster/node-info.ts'
import type { PodInfo } from './cluster/pod-info.ts'
import type { RefusedNode } from './decide.ts'

function counted(reasons: Iterable<string>): string {
  const counts = new Map<string, number>()
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(', ')
}

function hasLowerPriority(node: NodeInfo, { priority }: PodInfo): boolean {
  for (const pod of node.pods.values()) if (pod.priority < priority) return true
  return false
}

/** What taking lower pods away could do; nothing is said of nodes where it might help, since nothing is taken away. */
function preemptionPart(pod: PodInfo, refused: readonly RefusedNode[], nodeCount: number): string | undefined {
  if (pod.pod.spec?.preemptionPolicy === 'Never') return 'preemption: not eligible due to preemptionPolicy=Never.'
  const unlooked = Array.from({ length: nodeCount - refused.length }, () => false)
  const curable = [...refused.map(({ refusal }) => refusal.isCurable), ...unlooked]
  if (refused.some(({ node, refusal }) => refusal.isCurable && hasLowerPriority(node, pod))) return undefined
  const reasons = curable.map((isCurable) =>
    isCurable ? 'No preemption victims found for incoming pod' : 'Preemption is not helpful for scheduling',
  )
  return `preemption: 0/${nodeCount} nodes are available: ${counted(reasons)}.`
}

/** Why a pod waits, as kube-scheduler puts it into the pod's condition and its events. */
export function unschedulableMessage(pod: PodInfo, refused: readonly RefusedNode[], nodeCount: number): string {
  if (nodeCount === 0) return 'no nodes available to schedule pods'
  // Nodes that a pod bound to others by name was never tried on.
  const unlooked = Array.from(
    { length: nodeCount - refused.length },
    () => "node(s) didn't satisfy plugin(s) [NodeAffinity]",
  )
  const reasons = counted([...refused.flatMap(({ refusal }) => refusal.reasons), ...unlooked])
  const preemption = preemptionPart(pod, refused, nodeCount)
  return `0/${nodeCount} nodes are available: ${reasons}.${preemption === undefined ? '' : ` ${preemption}`}`
}
