import { SCORE_MAX, type Score } from './score.ts'

function free(requested: number, allocatable: number): number {
  return requested > allocatable ? 0 : Math.trunc(((allocatable - requested) * SCORE_MAX) / allocatable)
}

/** More free CPU and memory is better; pods that ask for nothing count as if they asked for a little. */
export const leastAllocated: Score = {
  name: 'NodeResourcesFit',
  weight: 1,
  rate(pod, nodes, _state, into) {
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!
      let [sum, count] = [0, 0]
      if (node.cpuMilli > 0) {
        sum += free(node.countedCpuMilli + pod.countedCpuMilli, node.cpuMilli)
        count += 1
      }
      if (node.memoryBytes > 0) {
        sum += free(node.countedMemoryBytes + pod.countedMemoryBytes, node.memoryBytes)
        count += 1
      }
      into[i] = count === 0 ? 0 : Math.trunc(sum / count)
    }
    return true
  },
}
