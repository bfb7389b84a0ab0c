import { setCondition } from '../../../api/conditions.ts'
import { scaledValue } from '../../../api/int-or-string.ts'
import { isPodReady } from '../../../api/pod-readiness.ts'
import type { Pod } from '../../../api/types/core-v1.gen.ts'
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../../api/types/policy-v1.gen.ts'
import type { Millis } from '../../../base/clock.ts'
import { isoSeconds } from '../timestamp.ts'

/** An evicted pod that is still there after this long was not evicted after all. */
const DISRUPTION_TIMEOUT_MS = 2 * 60_000

export interface DisruptionObservation {
  /** Pods that the budget selects. */
  readonly pods: readonly Pod[]
  /** Size of what finally manages each pod (a ReplicaSet's Deployment, else the ReplicaSet), by that owner's UID. */
  readonly scales: ReadonlyMap<string, number>
  /** The UID of what finally manages each pod, by the pod's name; pods that nothing manages are missing. */
  readonly ownerOf: ReadonlyMap<string, string>
}

export interface DisruptionPlan {
  readonly actions: readonly { readonly kind: 'warnNotDeleted'; readonly pod: Pod; readonly why: string }[]
  readonly status: PodDisruptionBudgetStatus
  /** Why the budget cannot be worked out; then it allows no disruption. */
  readonly failure?: string
  /** The budget counts on sizes, and some of its pods belong to nothing that has one. */
  readonly unmanaged: boolean
  readonly recheckAt?: Millis
}

/** True when the budget is worked out from the sizes of what manages its pods, and not from the pods alone. */
function countsOnScales({ spec }: PodDisruptionBudget): boolean {
  return spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string'
}

/** The sum of the sizes of all that manage the selected pods. */
function expectedScale(observed: DisruptionObservation): number {
  const owners = new Set<string>()
  for (const { metadata } of observed.pods) {
    const owner = observed.ownerOf.get(metadata?.name ?? '')
    if (owner === undefined) continue
    if (!observed.scales.has(owner)) throw new Error(`found no controllers for pod "${metadata?.name}"`)
    owners.add(owner)
  }
  return [...owners].reduce((total, owner) => total + observed.scales.get(owner)!, 0)
}

/** How many pods there should be, and how many of them must be healthy. */
function expectations(
  budget: PodDisruptionBudget,
  observed: DisruptionObservation,
): { readonly expected: number; readonly healthy: number } {
  const { minAvailable, maxUnavailable } = budget.spec ?? {}
  if (maxUnavailable !== undefined) {
    const expected = expectedScale(observed)
    return { expected, healthy: Math.max(0, expected - scaledValue(maxUnavailable, expected, true)) }
  }
  if (typeof minAvailable === 'number') return { expected: observed.pods.length, healthy: minAvailable }
  if (minAvailable !== undefined) {
    const expected = expectedScale(observed)
    return { expected, healthy: scaledValue(minAvailable, expected, true) }
  }
  return { expected: observed.pods.length, healthy: 0 }
}

/** A budget's numbers: how many of its pods may be evicted now. */
export function planDisruption(
  budget: PodDisruptionBudget,
  observed: DisruptionObservation,
  now: Millis,
): DisruptionPlan {
  const byName = new Map(observed.pods.map((pod) => [pod.metadata?.name ?? '', pod]))
  const disrupted: Record<string, string> = {}
  const actions: DisruptionPlan['actions'][number][] = []
  const pending: Millis[] = []
  for (const [name, since] of Object.entries(budget.status?.disruptedPods ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const pod = byName.get(name)
    if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined) continue
    const until = Date.parse(since) + DISRUPTION_TIMEOUT_MS
    if (until <= now) {
      const { namespace, name: budgetName } = budget.metadata ?? {}
      const why = `Pod was expected by PDB ${namespace}/${budgetName} to be deleted but it wasn't`
      actions.push({ kind: 'warnNotDeleted', pod, why })
      continue
    }
    disrupted[name] = since
    pending.push(until)
  }
  const unmanaged =
    countsOnScales(budget) && observed.pods.some(({ metadata }) => !observed.ownerOf.has(metadata?.name ?? ''))
  const recheck = pending.length === 0 ? {} : { recheckAt: Math.min(...pending) }
  const generation = budget.metadata?.generation ?? 0
  const allowed = (value: boolean, reason: string, message: string): PodDisruptionBudgetStatus['conditions'] => {
    const condition = { type: 'DisruptionAllowed', status: value ? 'True' : 'False', reason, message }
    const next = { ...condition, observedGeneration: generation, lastTransitionTime: isoSeconds(now) }
    return setCondition(budget.status?.conditions, next, isoSeconds(now))
  }
  const disruptedPods = Object.keys(disrupted).length === 0 ? {} : { disruptedPods: disrupted }
  try {
    const { expected, healthy } = expectations(budget, observed)
    const current = observed.pods.filter((pod) => {
      const leaving = pod.metadata?.deletionTimestamp !== undefined
      return !leaving && disrupted[pod.metadata?.name ?? ''] === undefined && isPodReady(pod)
    }).length
    const disruptions = expected <= 0 ? 0 : Math.max(0, current - healthy)
    const status = {
      ...disruptedPods,
      currentHealthy: current,
      desiredHealthy: healthy,
      expectedPods: expected,
      disruptionsAllowed: disruptions,
      observedGeneration: generation,
      conditions: allowed(disruptions > 0, disruptions > 0 ? 'SufficientPods' : 'InsufficientPods', ''),
    }
    return { actions, status, unmanaged, ...recheck }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const conditions = allowed(false, 'SyncFailed', error.message)
    const status = { ...budget.status, disruptionsAllowed: 0, observedGeneration: generation, conditions }
    return { actions, status, unmanaged, failure: error.message, ...recheck }
  }
}
