const NODES_MIN = 100
const PERCENT_MAX = 50
const PERCENT_MIN = 5

/**
 * How many nodes that can take a pod are enough to choose from (kube-scheduler's adaptive percentage): all of up to a
 * hundred, then a share that falls from half to a twentieth as the cluster grows.
 */
export function nodesToFind(nodeCount: number): number {
  if (nodeCount <= NODES_MIN) return nodeCount
  const percent = Math.max(PERCENT_MIN, PERCENT_MAX - Math.trunc(nodeCount / 125))
  return Math.max(NODES_MIN, Math.trunc((nodeCount * percent) / 100))
}
