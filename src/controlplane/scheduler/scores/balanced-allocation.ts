import type { NodeInfo } from '../cluster/node-info.ts'
import { SCORE_MAX, type Score } from './score.ts'

/** 100 when the same share of CPU and of memory is taken; less by half their difference. */
function balance(cpuMilli: number, memoryBytes: number, node: NodeInfo): number {
  if (node.cpuMilli === 0 || node.memoryBytes === 0) return SCORE_MAX
  const cpu = Math.min(1, cpuMilli / node.cpuMilli)
  const memory = Math.min(1, memoryBytes / node.memoryBytes)
  return Math.trunc((1 - Math.abs(cpu - memory) / 2) * SCORE_MAX)
}

/** Better when the pod brings the shares of CPU and memory that are taken closer together (as Kubernetes does since 1.36). */
export const balancedAllocation: Score = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  rate({ requests }, nodes, _state, into) {
    if (requests.cpuMilli === 0 && requests.memoryBytes === 0) return false
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!
      const { requestedCpuMilli: cpu, requestedMemoryBytes: memory } = node
      const change = balance(cpu + requests.cpuMilli, memory + requests.memoryBytes, node) - balance(cpu, memory, node)
      into[i] = SCORE_MAX / 2 + Math.trunc((SCORE_MAX / 2 + change) / 2)
    }
    return true
  },
}
