import { findCondition } from '../../../api/conditions.ts'
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../../api/types/apps-v1.gen.ts'
import type { Millis } from '../../../base/clock.ts'
import { isoSeconds } from '../timestamp.ts'
import { type Bounds, specReplicas } from './working-set.ts'

const NO_DEADLINE = 2 ** 31 - 1

type NewCondition = Pick<DeploymentCondition, 'type' | 'status' | 'reason' | 'message'>

/** What a plan did that its Progressing condition tells of. */
export type Milestone =
  | { readonly kind: 'created' | 'found'; readonly name: string }
  | { readonly kind: 'createFailed'; readonly message: string }

export interface StatusInput {
  readonly deployment: Deployment
  /** All ReplicaSets as the plan leaves them. */
  readonly replicaSets: readonly ReplicaSet[]
  readonly newest: ReplicaSet | undefined
  readonly bounds: Bounds
  readonly milestone: Milestone | undefined
  /** The Deployment rolls: neither paused nor resizing. Only then its progress is judged. */
  readonly rolling: boolean
}

/** A condition with the same status and reason as before stays as it is, with its time and words. */
function put(
  conditions: readonly DeploymentCondition[],
  next: NewCondition,
  now: Millis,
  renew = false,
): readonly DeploymentCondition[] {
  const previous = findCondition(conditions, next.type)
  if (!renew && previous?.status === next.status && previous.reason === next.reason) return conditions
  const at = isoSeconds(now)
  const lastTransitionTime = previous?.status === next.status ? (previous.lastTransitionTime ?? at) : at
  const others = conditions.filter(({ type }) => type !== next.type)
  return [...others, { ...next, lastUpdateTime: at, lastTransitionTime }]
}

function without(conditions: readonly DeploymentCondition[], type: string): readonly DeploymentCondition[] {
  return conditions.filter((condition) => condition.type !== type)
}

function hasDeadline({ spec }: Deployment): boolean {
  const seconds = spec?.progressDeadlineSeconds
  return seconds !== undefined && seconds !== NO_DEADLINE
}

/** All replicas are of the newest template and available. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const desired = deployment.spec?.replicas ?? 1
  return (
    (status.updatedReplicas ?? 0) === desired &&
    (status.replicas ?? 0) === desired &&
    (status.availableReplicas ?? 0) === desired &&
    (status.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  )
}

function hasProgressed(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus): number => (status.replicas ?? 0) - (status.updatedReplicas ?? 0)
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  )
}

function deadlineOf(deployment: Deployment, progressing: DeploymentCondition): Millis {
  const since = Date.parse(progressing.lastUpdateTime ?? '')
  return since + (deployment.spec?.progressDeadlineSeconds ?? 600) * 1000
}

function progress(value: boolean, reason: string, message: string): NewCondition {
  return { type: 'Progressing', status: value ? 'True' : 'False', reason, message }
}

/** Set when pausing and resuming, so that a paused Deployment never runs into its deadline. */
function pauseCondition(
  deployment: Deployment,
  conditions: readonly DeploymentCondition[],
  now: Millis,
): readonly DeploymentCondition[] {
  const known = findCondition(conditions, 'Progressing')
  if (!hasDeadline(deployment) || known?.reason === 'ProgressDeadlineExceeded') return conditions
  const paused = deployment.spec?.paused === true
  if (paused === (known?.reason === 'DeploymentPaused')) return conditions
  const [reason, message] = paused
    ? ['DeploymentPaused', 'Deployment is paused']
    : ['DeploymentResumed', 'Deployment is resumed']
  return put(conditions, { type: 'Progressing', status: 'Unknown', reason, message }, now)
}

function milestoneCondition(
  conditions: readonly DeploymentCondition[],
  milestone: Milestone | undefined,
  now: Millis,
): readonly DeploymentCondition[] {
  switch (milestone?.kind) {
    case 'created':
      return put(conditions, progress(true, 'NewReplicaSetCreated', `Created new replica set "${milestone.name}"`), now)
    case 'found': {
      if (findCondition(conditions, 'Progressing') !== undefined) return conditions
      return put(conditions, progress(true, 'FoundNewReplicaSet', `Found new replica set "${milestone.name}"`), now)
    }
    case 'createFailed':
      return put(conditions, progress(false, 'ReplicaSetCreateError', milestone.message), now)
    case undefined:
      return conditions
  }
}

function rolloutCondition(
  input: StatusInput,
  status: DeploymentStatus,
  conditions: readonly DeploymentCondition[],
  now: Millis,
): readonly DeploymentCondition[] {
  const { deployment, newest } = input
  const known = findCondition(conditions, 'Progressing')
  const settled = status.replicas === status.updatedReplicas && known?.reason === 'NewReplicaSetAvailable'
  if (settled) return conditions
  const what =
    newest === undefined ? `Deployment "${deployment.metadata?.name}"` : `ReplicaSet "${newest.metadata?.name}"`
  if (isComplete(deployment, status)) {
    return put(conditions, progress(true, 'NewReplicaSetAvailable', `${what} has successfully progressed.`), now)
  }
  if (hasProgressed(deployment.status ?? {}, status)) {
    return put(conditions, progress(true, 'ReplicaSetUpdated', `${what} is progressing.`), now, true)
  }
  if (known === undefined || known.reason === 'NewReplicaSetAvailable') return conditions
  if (deadlineOf(deployment, known) >= now) return conditions
  return put(conditions, progress(false, 'ProgressDeadlineExceeded', `${what} has timed out progressing.`), now)
}

function availability(bounds: Bounds, availableReplicas: number): NewCondition {
  return availableReplicas >= bounds.minAvailable
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      }
}

function failureCondition(
  input: StatusInput,
  conditions: readonly DeploymentCondition[],
  now: Millis,
): readonly DeploymentCondition[] {
  const candidates = input.newest === undefined ? input.replicaSets : [input.newest, ...input.replicaSets]
  for (const { status } of candidates) {
    const failure = findCondition(status?.conditions, 'ReplicaFailure')
    if (failure === undefined) continue
    const { type, status: value, reason, message } = failure
    return put(conditions, { type, status: value, reason, message }, now)
  }
  return without(conditions, 'ReplicaFailure')
}

/** A Deployment's status, and when to look again because a deadline may have passed. */
export function deploymentStatus(
  input: StatusInput,
  now: Millis,
): { readonly status: DeploymentStatus; readonly recheckAt?: Millis } {
  const { deployment, replicaSets, newest, bounds } = input
  const total = (of: (replicaSet: ReplicaSet) => number | undefined): number =>
    replicaSets.reduce((count, replicaSet) => count + (of(replicaSet) ?? 0), 0)
  const availableReplicas = total(({ status }) => status?.availableReplicas)
  const { collisionCount } = deployment.status ?? {}
  const counts: DeploymentStatus = {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas: total(({ status }) => status?.replicas),
    updatedReplicas: newest?.status?.replicas ?? 0,
    readyReplicas: total(({ status }) => status?.readyReplicas),
    availableReplicas,
    unavailableReplicas: Math.max(0, total(specReplicas) - availableReplicas),
    terminatingReplicas: total(({ status }) => status?.terminatingReplicas),
    ...(collisionCount === undefined ? {} : { collisionCount }),
  }
  let conditions = pauseCondition(deployment, deployment.status?.conditions ?? [], now)
  conditions = put(conditions, availability(bounds, availableReplicas), now)
  if (hasDeadline(deployment)) {
    conditions = milestoneCondition(conditions, input.milestone, now)
    if (input.rolling) conditions = rolloutCondition(input, counts, conditions, now)
  } else conditions = without(conditions, 'Progressing')
  if (input.rolling) conditions = failureCondition(input, conditions, now)
  const status = { ...counts, conditions }
  const known = findCondition(conditions, 'Progressing')
  const waits =
    input.rolling &&
    known !== undefined &&
    known.reason !== 'ProgressDeadlineExceeded' &&
    known.reason !== 'NewReplicaSetAvailable' &&
    hasDeadline(deployment) &&
    !isComplete(deployment, status)
  // Times in conditions have whole seconds, so a second more is surely past the deadline.
  return waits ? { status, recheckAt: deadlineOf(deployment, known) + 1_000 } : { status }
}
