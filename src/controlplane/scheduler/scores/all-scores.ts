import { balancedAllocation } from './balanced-allocation.ts'
import { imageLocality } from './image-locality.ts'
import { leastAllocated } from './least-allocated.ts'
import { nodePreference } from './node-preference.ts'
import { podPreference } from './pod-preference.ts'
import type { Score } from './score.ts'
import { spreadPreference } from './spread-preference.ts'
import { taintPreference } from './taint-preference.ts'

export const SCORES: readonly Score[] = [
  taintPreference,
  nodePreference,
  leastAllocated,
  balancedAllocation,
  spreadPreference,
  podPreference,
  imageLocality,
]
