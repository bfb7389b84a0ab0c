import { DESIRED_REPLICAS, MAX_REPLICAS, numberAnnotation } from './annotations.ts'
import {
  available,
  type Bounds,
  byCreation,
  byRevision,
  type Member,
  occupancy,
  resize,
  sizeOf,
  sum,
} from './working-set.ts'

/** True when an active ReplicaSet remembers another size of the Deployment than it has now. */
export function isScaling(members: readonly Member[], bounds: Bounds): boolean {
  return members.some((member) => {
    const remembered = numberAnnotation(member.now, DESIRED_REPLICAS)
    return sizeOf(member) > 0 && remembered !== undefined && remembered !== bounds.desired
  })
}

function isSaturated(newest: Member, bounds: Bounds): boolean {
  return (
    numberAnnotation(newest.now, DESIRED_REPLICAS) === bounds.desired &&
    sizeOf(newest) === bounds.desired &&
    available(newest) === bounds.desired
  )
}

/** How much this member would grow or shrink (negative) were the change shared out exactly in proportion. */
function fraction(member: Member, deploymentReplicas: number, bounds: Bounds): number {
  const size = sizeOf(member)
  if (bounds.desired === 0) return -size
  const before = numberAnnotation(member.now, MAX_REPLICAS) ?? deploymentReplicas
  if (before === 0) return 0
  return Math.round((size * bounds.max) / before) - size
}

/** Shares out a change of size over several active ReplicaSets in proportion; what rounding leaves goes to the largest. */
function scaleInProportion(active: readonly Member[], deploymentReplicas: number, bounds: Bounds): boolean {
  const allowed = bounds.desired > 0 ? bounds.max : 0
  const toAdd = allowed - sum(active, sizeOf)
  // Pods that linger count too: growing waits until it is known how many there are.
  if (toAdd > 0 && active.some((member) => occupancy(member) !== sizeOf(member))) return false
  const newerFirst = toAdd > 0 ? -1 : 1
  const ordered = [...active].sort((a, b) => sizeOf(b) - sizeOf(a) || newerFirst * byCreation(a, b))
  let added = 0
  const sizes = ordered.map((member) => {
    const left = toAdd - added
    const share = toAdd === 0 ? 0 : fraction(member, deploymentReplicas, bounds)
    // None shrinks while others grow: for a moment there would be more pods than may be.
    const proportion = toAdd > 0 ? Math.max(0, Math.min(share, left)) : Math.min(0, Math.max(share, left))
    added += proportion
    return sizeOf(member) + proportion
  })
  if (toAdd !== 0) sizes[0] = Math.max(0, sizes[0]! + toAdd - added)
  let changed = false
  for (const [i, member] of ordered.entries()) {
    changed = resize(member, sizes[i]!, bounds, `its share of ${bounds.desired} replicas`) || changed
  }
  return changed
}

/** The only active member; when none is active the newest one, or the one rolled out last. Undefined when several are. */
function activeOrLatest(newest: Member | undefined, others: readonly Member[]): Member | undefined {
  const active = [...others, ...(newest === undefined ? [] : [newest])].filter((member) => sizeOf(member) > 0)
  if (active.length > 1) return undefined
  return active[0] ?? newest ?? [...others].sort(byRevision).at(-1)
}

/**
 * One step towards the Deployment's size without rolling: of a paused Deployment, or of one whose size has changed in
 * mid-roll. True when it changed something.
 */
export function scalingStep(
  newest: Member | undefined,
  others: readonly Member[],
  deployment: { readonly replicas: number; readonly recreate: boolean },
  bounds: Bounds,
): boolean {
  const single = activeOrLatest(newest, others)
  if (single !== undefined) {
    const rest = [...others, ...(newest === undefined ? [] : [newest])].filter((member) => member !== single)
    const room = bounds.max - sum(rest, occupancy) - (occupancy(single) - sizeOf(single))
    const target = Math.min(bounds.desired, Math.max(sizeOf(single), room))
    return resize(single, target, bounds, `${bounds.desired} replicas are wanted`)
  }
  if (newest !== undefined && isSaturated(newest, bounds)) {
    let changed = false
    for (const member of others.filter((other) => sizeOf(other) > 0)) {
      changed = resize(member, 0, bounds, 'the newest template is fully available') || changed
    }
    return changed
  }
  if (deployment.recreate) return false
  const active = [...others, ...(newest === undefined ? [] : [newest])].filter((member) => sizeOf(member) > 0)
  return scaleInProportion(active, deployment.replicas, bounds)
}
