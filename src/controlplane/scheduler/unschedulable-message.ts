import type { Refused } from './decide.ts'

function counted(reasons: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .sort()
    .join(', ')
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 Insufficient memory.` */
export function notAvailable(nodeCount: number, reasons: readonly string[]): string {
  return `0/${nodeCount} nodes are available: ${counted(reasons)}.`
}

/**
 * Why a pod waits, as kube-scheduler puts it into the pod's condition and its events. `preemption`: why nothing was
 * taken away for it; undefined when something was.
 */
export function unschedulableMessage(decision: Refused, preemption: string | undefined): string {
  const { refused, nodeCount, outright } = decision
  if (nodeCount === 0) return 'no nodes available to schedule pods'
  // Nodes that a pod bound to others by name was never tried on.
  const unlooked = Array.from(
    { length: nodeCount - refused.length },
    () => "node(s) didn't satisfy plugin(s) [NodeAffinity]",
  )
  const why =
    outright === undefined
      ? notAvailable(nodeCount, [...refused.flatMap(({ refusal }) => refusal.reasons), ...unlooked])
      : `0/${nodeCount} nodes are available: ${outright}.`
  return preemption === undefined ? why : `${why} preemption: ${preemption}`
}
