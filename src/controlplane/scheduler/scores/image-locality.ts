import type { ClusterState } from '../cluster/cluster-state.ts'
import type { NodeInfo } from '../cluster/node-info.ts'
import type { PodInfo } from '../cluster/pod-info.ts'
import { SCORE_MAX, type Score } from './score.ts'

/** Below this an image is quick to get anyway; above, per container, more makes no difference. */
const BYTES_MIN = 23 * 1024 * 1024
const CONTAINER_BYTES_MAX = 1_000 * 1024 * 1024

/** As nodes name it: with a tag. */
function normalized(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image
}

/** Where each of the pod's images is; those that are nowhere are left out. */
function whereImagesAre({ pod }: PodInfo, state: ClusterState): readonly ReadonlyMap<NodeInfo, number>[] {
  const { containers = [], initContainers = [] } = pod.spec ?? {}
  return [...initContainers, ...containers].flatMap(({ image }) => {
    const nodes = image === undefined ? undefined : state.nodesWithImage(normalized(image))
    return nodes === undefined ? [] : [nodes]
  })
}

/**
 * Nodes that have the pod's images are better. An image counts by its size, and less while few nodes have it, lest they
 * get every pod.
 */
export const imageLocality: Score = {
  name: 'ImageLocality',
  weight: 1,
  rate(pod, nodes, state, into) {
    const images = state.hasImages ? whereImagesAre(pod, state) : []
    if (images.length === 0) return false
    const { containers = [], initContainers = [] } = pod.pod.spec ?? {}
    const most = CONTAINER_BYTES_MAX * (containers.length + initContainers.length)
    const total = state.nodes.length
    for (let i = 0; i < nodes.length; i++) {
      let sum = 0
      for (const holders of images) sum += Math.trunc((holders.get(nodes[i]!) ?? 0) * (holders.size / total))
      const clamped = Math.min(most, Math.max(BYTES_MIN, sum))
      into[i] = Math.trunc((SCORE_MAX * (clamped - BYTES_MIN)) / (most - BYTES_MIN))
    }
    return true
  },
}
