import type { Candidate } from './select-victims.ts'

/** Makes priorities of any sign positive, so that fewer victims are always less. */
const PRIORITY_OFFSET = 2 ** 31

/** When the longest-running of the most important victims began. */
function earliestStart({ victims }: Candidate): number {
  const highest = victims[0]!.priority
  return Math.min(...victims.filter(({ priority }) => priority === highest).map(({ startedAtMs }) => startedAtMs))
}

/** Each gives a number of which less is better; the next one decides among equals. */
const CRITERIA: readonly ((candidate: Candidate) => number)[] = [
  ({ violations }) => violations,
  ({ victims }) => victims[0]!.priority,
  ({ victims }) => victims.reduce((sum, { priority }) => sum + priority + PRIORITY_OFFSET, 0),
  ({ victims }) => victims.length,
  (candidate) => -earliestStart(candidate),
]

/**
 * The candidate that does least harm: fewest broken budgets, then the lowest highest priority, the lowest sum of
 * priorities, the fewest victims, and those that began last (kube-scheduler's order). The first of equals.
 */
export function bestCandidate(candidates: readonly Candidate[]): Candidate | undefined {
  let left = candidates
  for (const criterion of CRITERIA) {
    if (left.length < 2) break
    const values = left.map(criterion)
    const least = Math.min(...values)
    left = left.filter((_, i) => values[i] === least)
  }
  return left[0]
}
