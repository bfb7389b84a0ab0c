import { quantityToNumber } from '../../api/quantity.ts'

const GUARANTEED = -997
const BEST_EFFORT = 1000

/**
 * The kubelet's oom_score_adj of a container: guaranteed pods go last, those that asked for nothing first, and the
 * others the later the more memory they asked for.
 */
export function oomScoreAdj(
  qosClass: string,
  memoryRequest: string | undefined,
  memoryCapacity: string | undefined,
): number {
  if (qosClass === 'Guaranteed') return GUARANTEED
  if (qosClass === 'BestEffort') return BEST_EFFORT
  const capacity = memoryCapacity === undefined ? 0 : quantityToNumber(memoryCapacity)
  if (capacity <= 0) return BEST_EFFORT - 1
  const share = (memoryRequest === undefined ? 0 : quantityToNumber(memoryRequest)) / capacity
  const score = Math.floor(BEST_EFFORT - BEST_EFFORT * share)
  return Math.min(Math.max(score, BEST_EFFORT + GUARANTEED), BEST_EFFORT - 1)
}
