import { labelMatcherOf } from '../../../api/label-selector.ts'
import type { PodDisruptionBudget } from '../../../api/types/policy-v1.gen.ts'
import type { PodInfo } from '../cluster/pod-info.ts'

export interface SplitByBudget {
  /** Pods that a budget does not allow to take away, given that those before them are. */
  readonly violating: readonly PodInfo[]
  readonly allowed: readonly PodInfo[]
}

/** Takes pods away one after the other, and says of which disruption budgets would not approve. */
export function splitByBudget(pods: readonly PodInfo[], budgets: readonly PodDisruptionBudget[]): SplitByBudget {
  const left = budgets.map((budget) => ({
    budget,
    matcher: labelMatcherOf(budget.spec?.selector),
    allowed: budget.status?.disruptionsAllowed ?? 0,
  }))
  const violating: PodInfo[] = []
  const allowed: PodInfo[] = []
  for (const pod of pods) {
    let isViolated = false
    for (const entry of left) {
      const { metadata, status } = entry.budget
      if (metadata?.namespace !== pod.namespace || !entry.matcher.matches(pod.labels)) continue
      // Counted already by whoever evicted it.
      if (Object.hasOwn(status?.disruptedPods ?? {}, pod.pod.metadata?.name ?? '')) continue
      entry.allowed -= 1
      if (entry.allowed < 0) isViolated = true
    }
    if (isViolated) violating.push(pod)
    else allowed.push(pod)
  }
  return { violating, allowed }
}
