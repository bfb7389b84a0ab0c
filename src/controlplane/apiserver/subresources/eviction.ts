import { isConditionTrue } from '../../../api/conditions.ts'
import type { ResourceDefinition } from '../../../api/definition.ts'
import { labelMatcherOf } from '../../../api/label-selector.ts'
import { isPodTerminal } from '../../../api/pod-readiness.ts'
import { StatusError } from '../../../api/status-error.ts'
import type { Pod } from '../../../api/types/core-v1.gen.ts'
import type { DeleteOptions } from '../../../api/types/meta-v1.gen.ts'
import type { Eviction, PodDisruptionBudget } from '../../../api/types/policy-v1.gen.ts'
import type { CachedObject } from '../cache/cached-object.ts'
import { type CoreRequest, type CoreResponse, isDryRun } from '../core-request.ts'
import type { Registry } from '../registry.ts'
import { storageKey } from '../request-info.ts'
import { timestamp } from '../verbs/create.ts'
import { deleteObject } from '../verbs/delete.ts'

/** As many pods may be on their way out under one budget before it takes no more (disruptedPods is bounded). */
const DISRUPTED_MAX = 2_000
const RETRIES_MAX = 20

function tooMany(why: string): StatusError {
  const causes = [{ reason: 'DisruptionBudget', message: why }]
  return new StatusError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes,
    retryAfterSeconds: 10,
  })
}

/** Whether this pod may go although the budget's controller did not count on it: it has never been of use, or the policy says so. */
function isExempt(pod: Pod, budget: PodDisruptionBudget): boolean {
  if (pod.status?.phase === 'Pending' || isPodTerminal(pod)) return true
  if (isConditionTrue(pod.status?.conditions, 'Ready')) return false
  const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {}
  return (
    budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow' ||
    (currentHealthy >= desiredHealthy && desiredHealthy > 0)
  )
}

/** The budget with this pod taken off it; throws when there is nothing left to take. */
function charged(budget: PodDisruptionBudget, podName: string, nowMs: number): PodDisruptionBudget {
  const { status, metadata } = budget
  if (status === undefined || (status.observedGeneration ?? 0) < (metadata?.generation ?? 0)) {
    throw tooMany(`The disruption budget ${metadata?.name} is still being processed by the server.`)
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

/** POST of an Eviction: a deletion that respects the pod's disruption budgets, whose count is taken by compare-and-swap. */
export async function evict(
  registry: Registry,
  request: CoreRequest,
  budgets: ResourceDefinition,
): Promise<CoreResponse> {
  const { definition, info } = request
  const eviction = (request.body ?? {}) as Eviction
  const options: DeleteOptions = eviction.deleteOptions ?? {}
  const dryRun = isDryRun(request.query) || (options.dryRun ?? []).includes('All')
  const stored = await registry.get(definition, info.namespace, info.name)
  const pod = stored.object as Pod
  const matching: CachedObject[] = []
  for (const candidate of registry.cacheOf(budgets).range(storageKey(budgets, info.namespace, ''))) {
    const { spec } = candidate.object as PodDisruptionBudget
    if (labelMatcherOf(spec?.selector).matches(pod.metadata?.labels)) matching.push(candidate)
  }
  if (matching.length > 1)
    throw new StatusError(
      'InternalError',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    )
  const budget = matching[0]
  if (
    budget !== undefined &&
    pod.metadata?.deletionTimestamp === undefined &&
    !isExempt(pod, budget.object as PodDisruptionBudget)
  ) {
    await charge(registry, budgets, budget, info.name, dryRun)
  }
  const query = dryRun ? new URLSearchParams({ dryRun: 'All' }) : request.query
  await deleteObject(registry, { ...request, query }, info.namespace, info.name, options)
  return { kind: 'value', status: 201, value: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' } }
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
