import { isTolerated } from '../cluster/tolerates.ts'
import { normalize, type Score } from './score.ts'

/** Fewer PreferNoSchedule taints that the pod does not tolerate is better. */
export const taintPreference: Score = {
  name: 'TaintToleration',
  weight: 3,
  rate(pod, nodes, _state, into) {
    // A toleration of another effect says nothing about these taints.
    const tolerations = pod.tolerations.filter(({ effect = '' }) => effect === '' || effect === 'PreferNoSchedule')
    let any = false
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!
      let count = 0
      if (node.hasTaints)
        for (const taint of node.taints) {
          if (taint.effect === 'PreferNoSchedule' && !isTolerated(taint, tolerations)) count += 1
        }
      into[i] = count
      if (count > 0) any = true
    }
    // The same for all nodes decides nothing.
    if (!any) return false
    normalize(into, true)
    return true
  },
}
