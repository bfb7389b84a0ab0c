import { scaledValue } from '../../../api/int-or-string.ts'
import type { Deployment, ReplicaSet } from '../../../api/types/apps-v1.gen.ts'
import type { Millis } from '../../../base/clock.ts'
import { replicasAnnotations, revisionOf } from './annotations.ts'

/** A ReplicaSet as it is and as the plan leaves it. */
export interface Member {
  readonly before: ReplicaSet | undefined
  now: ReplicaSet
  readonly why: string[]
}

/** How many pods a Deployment may have and must keep. */
export interface Bounds {
  readonly desired: number
  readonly maxSurge: number
  readonly maxUnavailable: number
  /** Pods there may be at once: desired and surge. */
  readonly max: number
  readonly minAvailable: number
}

/** Surge rounds up, unavailability down; were both 0 nothing could ever move, so unavailability becomes 1. */
export function boundsOf(deployment: Deployment): Bounds {
  const desired = deployment.spec?.replicas ?? 1
  const strategy = deployment.spec?.strategy
  const rolling = strategy?.type !== 'Recreate'
  const maxSurge = rolling ? scaledValue(strategy?.rollingUpdate?.maxSurge ?? '25%', desired, true) : 0
  const unavailable = scaledValue(strategy?.rollingUpdate?.maxUnavailable ?? '25%', desired, false)
  const fenced = maxSurge === 0 && unavailable === 0 ? 1 : unavailable
  const maxUnavailable = rolling && desired > 0 ? Math.min(fenced, desired) : 0
  return { desired, maxSurge, maxUnavailable, max: desired + maxSurge, minAvailable: desired - maxUnavailable }
}

export function specReplicas(replicaSet: ReplicaSet): number {
  return replicaSet.spec?.replicas ?? 1
}

/** The most pods that may stand behind a member right now, ended ones aside; Infinity while that is not known. */
export function occupancy({ before, now }: Member): number {
  if (before === undefined) return specReplicas(now)
  const { generation = 0 } = before.metadata ?? {}
  const counted = Math.max(specReplicas(now), specReplicas(before), before.status?.replicas ?? 0)
  const observed = before.status?.observedGeneration ?? 0
  // An earlier size that its controller has not yet acted on may have been any; only the first one is known.
  return observed >= generation || generation <= 1 ? counted : Number.POSITIVE_INFINITY
}

/** Pods that count as available also after what the plan takes away, since scaling down takes unready pods first. */
export function available({ now }: Member): number {
  return Math.min(specReplicas(now), now.status?.availableReplicas ?? 0)
}

export function sum(members: readonly Member[], of: (member: Member) => number): number {
  return members.reduce((total, member) => total + of(member), 0)
}

export const sizeOf = (member: Member): number => specReplicas(member.now)

/** Sets a member's size and what it remembers of the Deployment's; true when that changed anything. */
export function resize(member: Member, replicas: number, bounds: Bounds, why: string): boolean {
  const remembered = replicasAnnotations(bounds.desired, bounds.max)
  const annotations = member.now.metadata?.annotations ?? {}
  const stale = Object.entries(remembered).some(([key, value]) => annotations[key] !== value)
  const scaled = specReplicas(member.now) !== replicas
  if (!stale && !scaled) return false
  member.now = {
    ...member.now,
    metadata: { ...member.now.metadata, annotations: { ...annotations, ...remembered } },
    spec: { ...member.now.spec!, replicas },
  }
  if (scaled) member.why.push(why)
  return true
}

/** Oldest first; the name decides between equals, so that every order of input gives the same plan. */
export function byCreation(a: Member, b: Member): number {
  const time = ({ now }: Member): Millis => Date.parse(now.metadata?.creationTimestamp ?? '') || Number.MAX_SAFE_INTEGER
  return time(a) - time(b) || ((a.now.metadata?.name ?? '') < (b.now.metadata?.name ?? '') ? -1 : 1)
}

/** The one that was rolled out longest ago first. */
export function byRevision(a: Member, b: Member): number {
  return revisionOf(a.now) - revisionOf(b.now) || byCreation(a, b)
}
