import { isConditionTrue, setCondition } from '../../../api/conditions.ts'
import type { ResourceDefinition } from '../../../api/definition.ts'
import { labelMatcherOf } from '../../../api/label-selector.ts'
import { isPodTerminal } from '../../../api/pod-readiness.ts'
import { StatusError } from '../../../api/status-error.ts'
import type { Pod } from '../../../api/types/core-v1.gen.ts'
import type { DeleteOptions } from '../../../api/types/meta-v1.gen.ts'
import type { Eviction, PodDisruptionBudget } from '../../../api/types/policy-v1.gen.ts'
import type { CachedObject } from '../cache/cached-object.ts'
import type { CoreRequest, CoreResponse } from '../core-request.ts'
import { decodeBody, type Registry } from '../registry.ts'
import { storageKey } from '../request-info.ts'
import { SUCCESS } from '../response/encode.ts'
import { checkName, settleNamespace, timestamp } from '../verbs/create.ts'
import { checkPreconditions, deleteObject } from '../verbs/delete.ts'
import { fieldValidation, isDryRun, isDryRunList } from '../write-options.ts'

/** As many pods may be on their way out under one budget before it takes no more (disruptedPods is bounded). */
const DISRUPTED_MAX = 2_000
const RETRIES_MAX = 20
const KIND = { group: 'policy', version: 'v1', kind: 'Eviction', schema: 'io.k8s.api.policy.v1.Eviction' }
const DRY_RUN = new URLSearchParams({ dryRun: 'All' })

/** With `retryAfterSeconds` clients wait and try again by themselves; without, they say so to whoever waits for them. */
function tooMany(why: string, retryAfterSeconds?: number): StatusError {
  const causes = [{ reason: 'DisruptionBudget', message: why }]
  return new StatusError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes,
    retryAfterSeconds,
  })
}

/** A pod that never ran, has ended or is on its way out breaks no budget. */
function isPastBudgets(pod: Pod): boolean {
  return pod.status?.phase === 'Pending' || isPodTerminal(pod) || pod.metadata?.deletionTimestamp !== undefined
}

/** Whether this pod may go although the budget is used up: it is of no use as it is, and the policy allows it. */
function isExempt(pod: Pod, budget: PodDisruptionBudget): boolean {
  if (isConditionTrue(pod.status?.conditions, 'Ready')) return false
  if (budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true
  const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {}
  return currentHealthy >= desiredHealthy && desiredHealthy > 0
}

/** The budget with this pod taken off it; throws when there is nothing left to take. */
function charged(budget: PodDisruptionBudget, podName: string, nowMs: number): PodDisruptionBudget {
  const { status, metadata } = budget
  if (status === undefined || (status.observedGeneration ?? 0) < (metadata?.generation ?? 0)) {
    throw tooMany(`The disruption budget ${metadata?.name} is still being processed by the server.`, 10)
  }
  const { disruptionsAllowed = 0, currentHealthy, desiredHealthy, disruptedPods = {} } = status
  if (disruptionsAllowed < 0) throw new StatusError('Forbidden', 'pdb disruptions allowed is negative')
  if (Object.keys(disruptedPods).length > DISRUPTED_MAX)
    throw new StatusError('Forbidden', 'DisruptedPods map too big - too many evictions not confirmed by PDB controller')
  if (disruptionsAllowed === 0) {
    throw tooMany(
      `The disruption budget ${metadata?.name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
    )
  }
  return {
    ...budget,
    status: {
      ...status,
      disruptionsAllowed: disruptionsAllowed - 1,
      disruptedPods: { ...disruptedPods, [podName]: timestamp(nowMs) },
    },
  }
}

/** The budget that covers a pod. Throws when there are several: Kubernetes does not say which would count. */
function budgetOf(
  registry: Registry,
  budgets: ResourceDefinition,
  namespace: string,
  pod: Pod,
): CachedObject | undefined {
  let found: CachedObject | undefined
  for (const candidate of registry.cacheOf(budgets).range(storageKey(budgets, namespace, ''))) {
    const { spec } = candidate.object as PodDisruptionBudget
    if (!labelMatcherOf(spec?.selector).matches(pod.metadata?.labels)) continue
    if (found !== undefined)
      throw new StatusError(
        'InternalError',
        'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
      )
    found = candidate
  }
  return found
}

/**
 * POST of an Eviction: a deletion that respects the pod's disruption budget, whose count is taken by compare-and-swap.
 * Admission plugins see the deletion that follows, with the pod itself.
 */
export async function evict(
  registry: Registry,
  request: CoreRequest,
  budgets: ResourceDefinition,
): Promise<CoreResponse> {
  const { definition, info } = request
  const { draft, warnings } = decodeBody(KIND, request.body, request.duplicates, fieldValidation(request.query))
  checkName(draft.metadata!, info.name)
  settleNamespace(definition, draft.metadata!, info.namespace)
  const options: DeleteOptions = (draft as Eviction).deleteOptions ?? {}
  const dryRun = isDryRun(request.query) || isDryRunList(options.dryRun ?? [])
  const stored = await registry.get(definition, info.namespace, info.name)
  const pod = stored.object as Pod
  checkPreconditions(definition, info.name, stored, options)
  const answer: CoreResponse = { kind: 'value', status: 201, value: SUCCESS, warnings }
  const budget = isPastBudgets(pod) ? undefined : budgetOf(registry, budgets, info.namespace, pod)
  if (budget !== undefined && !isExempt(pod, budget.object as PodDisruptionBudget))
    await charge(registry, budgets, budget, info.name, dryRun)
  const query = dryRun ? DRY_RUN : request.query
  if (!dryRun && pod.metadata?.deletionTimestamp === undefined) await markTarget(registry, definition, pod)
  await deleteObject(registry, { ...request, query }, info.namespace, info.name, {
    ...options,
    preconditions: {
      uid: pod.metadata?.uid,
      ...withoutVersion(options.preconditions),
    } as DeleteOptions['preconditions'],
  })
  return answer
}

/** The condition that tells a job's controller that the pod did not fail by itself. It moves the version on. */
async function markTarget(registry: Registry, definition: ResourceDefinition, { metadata }: Pod): Promise<void> {
  const { namespace = '', name = '', uid } = metadata ?? {}
  const reason = { reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' }
  await registry.modify(definition, namespace, name, (current) => {
    const pod = current as Pod
    if (pod.metadata?.uid !== uid || isPodTerminal(pod)) return undefined
    const target = { type: 'DisruptionTarget', status: 'True', ...reason } as const
    const conditions = setCondition(pod.status?.conditions, target, timestamp(registry.clock.now()))
    return { ...pod, status: { ...pod.status, conditions } } as Pod
  })
}

function withoutVersion(preconditions: DeleteOptions['preconditions']): object {
  const { resourceVersion: _, ...rest } = preconditions ?? {}
  return rest
}

async function charge(
  registry: Registry,
  budgets: ResourceDefinition,
  budget: CachedObject,
  podName: string,
  dryRun: boolean,
): Promise<void> {
  const { namespace = '', name = '' } = budget.object.metadata ?? {}
  for (let i = 0; i < RETRIES_MAX; i++) {
    const current = await registry.find(budgets, namespace, name)
    if (current === undefined) return
    const next = charged(current.object as PodDisruptionBudget, podName, registry.clock.now())
    if ((await registry.write(budgets, next, current.revision, [], dryRun)) !== undefined) return
  }
  throw new StatusError('TooManyRequests', 'the disruption budget changes too often; try again', {
    retryAfterSeconds: 1,
  })
}
