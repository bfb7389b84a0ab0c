import { isPodTerminal } from '../../../api/pod-readiness.ts'
import { DEPLOYMENTS } from '../../../api/resource-type.ts'
import type { Deployment, DeploymentStatus, ReplicaSet } from '../../../api/types/apps-v1.gen.ts'
import type { Pod } from '../../../api/types/core-v1.gen.ts'
import type { Millis } from '../../../base/clock.ts'
import { controllerReference } from '../owner-references.ts'
import { sameValue } from '../same-value.ts'
import { newestAnnotations, REVISION, replicasAnnotations, revisionOf } from './annotations.ts'
import { deploymentStatus, isComplete, type Milestone } from './deployment-status.ts'
import { rollingUpdateStep } from './rolling-update.ts'
import { isScaling, scalingStep } from './scaling.ts'
import { sameTemplate, TEMPLATE_HASH_LABEL, templateHash } from './template-hash.ts'
import {
  type Bounds,
  boundsOf,
  byCreation,
  byRevision,
  type Member,
  occupancy,
  resize,
  sizeOf,
  specReplicas,
  sum,
} from './working-set.ts'

export type DeploymentAction =
  | { readonly kind: 'createReplicaSet'; readonly replicaSet: ReplicaSet; readonly why: string }
  | {
      readonly kind: 'updateReplicaSet'
      readonly replicaSet: ReplicaSet
      readonly from: number
      readonly to: number
      readonly why: string
    }
  | { readonly kind: 'deleteReplicaSet'; readonly replicaSet: ReplicaSet; readonly why: string }
  | { readonly kind: 'setRevision'; readonly revision: string; readonly why: string }

export interface DeploymentObservation {
  /** ReplicaSets that this Deployment manages, its own writes included. */
  readonly replicaSets: readonly ReplicaSet[]
  /** Pods by the UID of their ReplicaSet; only Recreate looks at them. */
  readonly podsByReplicaSet: ReadonlyMap<string, readonly Pod[]>
  /** Why the last attempt to create a ReplicaSet failed. */
  readonly createFailure?: string | undefined
}

export interface DeploymentPlan {
  readonly actions: readonly DeploymentAction[]
  readonly status: DeploymentStatus
  readonly recheckAt?: Millis
}

/** More steps than any plan needs: one resizes, one creates, one rolls and one finds that nothing is left to do. */
const STEPS_MAX = 8

interface Draft {
  readonly deployment: Deployment
  readonly bounds: Bounds
  readonly members: Member[]
  newest: Member | undefined
  milestone: Milestone | undefined
}

function othersOf(draft: Draft): readonly Member[] {
  return draft.members.filter((member) => member !== draft.newest)
}

function newReplicaSet(deployment: Deployment, bounds: Bounds, revision: number): ReplicaSet {
  const { name = '', namespace } = deployment.metadata ?? {}
  const template = deployment.spec!.template
  const hash = templateHash(template, deployment.status?.collisionCount ?? 0)
  const labels = { ...template.metadata?.labels, [TEMPLATE_HASH_LABEL]: hash }
  const selector = deployment.spec!.selector
  return {
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels,
      annotations: {
        ...newestAnnotations({}, deployment, revision),
        ...replicasAnnotations(bounds.desired, bounds.max),
      },
      ownerReferences: [controllerReference(DEPLOYMENTS, deployment)],
    },
    spec: {
      replicas: 0,
      ...(deployment.spec?.minReadySeconds ? { minReadySeconds: deployment.spec.minReadySeconds } : {}),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [TEMPLATE_HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  }
}

/** Brings the newest ReplicaSet's annotations and minReadySeconds up to date, or makes it; true when that changed it. */
function ensureNewest(draft: Draft, mayCreate: boolean): boolean {
  const { deployment, bounds, members, newest } = draft
  const revision = Math.max(0, ...othersOf(draft).map(({ now }) => revisionOf(now))) + 1
  if (newest === undefined) {
    if (!mayCreate) return false
    const made: Member = {
      before: undefined,
      now: newReplicaSet(deployment, bounds, revision),
      why: ['a new template'],
    }
    members.push(made)
    draft.newest = made
    draft.milestone = { kind: 'created', name: made.now.metadata?.name ?? '' }
    return true
  }
  draft.milestone ??= { kind: 'found', name: newest.now.metadata?.name ?? '' }
  const current = newest.now.metadata?.annotations ?? {}
  const annotations = newestAnnotations(current, deployment, revision)
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0
  const sameReadiness = (newest.now.spec?.minReadySeconds ?? 0) === minReadySeconds
  if (sameValue(current, annotations) && sameReadiness) return false
  newest.now = {
    ...newest.now,
    metadata: { ...newest.now.metadata, annotations },
    spec: { ...newest.now.spec!, minReadySeconds },
  }
  newest.why.push('its template is the newest')
  return true
}

/** True while pods of older templates run, or may: also those that are being deleted. */
function oldPodsRun(draft: Draft, observed: DeploymentObservation): boolean {
  for (const member of othersOf(draft)) {
    if (occupancy(member) > 0) return true
    const pods = observed.podsByReplicaSet.get(member.now.metadata?.uid ?? '') ?? []
    if (pods.some((pod) => !isPodTerminal(pod))) return true
  }
  return false
}

function recreateStep(draft: Draft, observed: DeploymentObservation): boolean {
  let changed = ensureNewest(draft, false)
  for (const member of othersOf(draft)) {
    if (sizeOf(member) > 0) changed = resize(member, 0, draft.bounds, 'pods of an old template go first') || changed
  }
  if (changed || oldPodsRun(draft, observed)) return changed
  changed = ensureNewest(draft, true)
  return (
    resize(draft.newest!, draft.bounds.desired, draft.bounds, `${draft.bounds.desired} replicas are wanted`) || changed
  )
}

/** One step towards what is wanted; true when it changed something. */
function step(draft: Draft, observed: DeploymentObservation): boolean {
  const { deployment, bounds } = draft
  const recreate = deployment.spec?.strategy?.type === 'Recreate'
  const paused = deployment.spec?.paused === true
  if (paused || isScaling(draft.members, bounds)) {
    const annotated = ensureNewest(draft, false)
    const replicas = sum(draft.members, ({ before }) => before?.status?.replicas ?? 0)
    return scalingStep(draft.newest, othersOf(draft), { replicas, recreate }, bounds) || annotated
  }
  if (recreate) return recreateStep(draft, observed)
  const prepared = ensureNewest(draft, true)
  return rollingUpdateStep(draft.newest!, othersOf(draft), bounds) || prepared
}

/** Old ReplicaSets beyond the history limit that have nothing left. The last one that was rolled out stays in any case. */
function surplusHistory(draft: Draft): readonly ReplicaSet[] {
  const limit = draft.deployment.spec?.revisionHistoryLimit
  if (limit === undefined) return []
  const old = othersOf(draft).filter(({ now }) => now.metadata?.deletionTimestamp === undefined)
  const ordered = [...old].sort(byRevision)
  const kept = draft.newest === undefined ? Math.max(1, limit) : limit
  return ordered
    .slice(0, Math.max(0, ordered.length - kept))
    .filter((member) => occupancy(member) === 0 && (member.now.status?.terminatingReplicas ?? 0) === 0)
    .map(({ now }) => now)
}

function actionsOf(draft: Draft): readonly DeploymentAction[] {
  const writes = draft.members.flatMap((member): DeploymentAction[] => {
    const why = member.why.join('; ')
    if (member.before === undefined) return [{ kind: 'createReplicaSet', replicaSet: member.now, why }]
    if (sameValue(member.before, member.now)) return []
    const from = specReplicas(member.before)
    const to = sizeOf(member)
    return [{ kind: 'updateReplicaSet', replicaSet: member.now, from, to, why: why || 'its annotations are stale' }]
  })
  // What grows goes first: it is what a rollout waits for. The name decides between equals.
  const growth = (action: DeploymentAction): number =>
    action.kind === 'updateReplicaSet' ? action.to - action.from : Number.MAX_SAFE_INTEGER
  const nameOf = (action: DeploymentAction): string =>
    'replicaSet' in action ? (action.replicaSet.metadata?.name ?? '') : ''
  writes.sort((a, b) => growth(b) - growth(a) || (nameOf(a) < nameOf(b) ? -1 : 1))
  const revision = draft.newest?.now.metadata?.annotations?.[REVISION]
  const stale = revision !== undefined && draft.deployment.metadata?.annotations?.[REVISION] !== revision
  if (!stale) return writes
  return [...writes, { kind: 'setRevision', revision, why: 'the revision of its newest template' }]
}

/**
 * What a Deployment does next: which ReplicaSets to make, resize and clean away, and its status. Takes all steps at once
 * that need no pod to change first. The number of pods, lingering ones counted, stays within the surge, and serving ones
 * are only taken away while enough others are available.
 */
export function planDeployment(deployment: Deployment, observed: DeploymentObservation, now: Millis): DeploymentPlan {
  const members = observed.replicaSets.map((replicaSet): Member => ({ before: replicaSet, now: replicaSet, why: [] }))
  members.sort(byCreation)
  const newest = members.find(({ now: { spec } }) => sameTemplate(spec?.template, deployment.spec?.template))
  const draft: Draft = { deployment, bounds: boundsOf(deployment), members, newest, milestone: undefined }
  const leaving = deployment.metadata?.deletionTimestamp !== undefined
  if (!leaving) for (let i = 0; i < STEPS_MAX && step(draft, observed); i++);
  const resizing = isScaling(members, draft.bounds)
  const { status, recheckAt } = deploymentStatus(
    {
      deployment,
      replicaSets: draft.members.map((member) => member.now),
      newest: draft.newest?.now,
      bounds: draft.bounds,
      milestone:
        observed.createFailure === undefined
          ? draft.milestone
          : { kind: 'createFailed', message: observed.createFailure },
      rolling: !leaving && deployment.spec?.paused !== true && !resizing,
    },
    now,
  )
  const cleanable = !leaving && (deployment.spec?.paused === true || isComplete(deployment, status))
  const surplus = cleanable ? surplusHistory(draft) : []
  const deletions = surplus.map((replicaSet): DeploymentAction => {
    return { kind: 'deleteReplicaSet', replicaSet, why: 'it is beyond the revision history limit' }
  })
  const again = recheckAt === undefined ? {} : { recheckAt }
  return { actions: leaving ? [] : [...actionsOf(draft), ...deletions], status, ...again }
}
