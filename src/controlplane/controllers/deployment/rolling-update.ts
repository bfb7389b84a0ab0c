import { available, type Bounds, byCreation, type Member, occupancy, resize, sizeOf, sum } from './working-set.ts'

/** How far the newest ReplicaSet may grow without the Deployment exceeding its surge, counting pods that still linger. */
export function roomToGrow(newest: Member, others: readonly Member[], bounds: Bounds): number {
  const total = sum(others, occupancy) + occupancy(newest)
  return Math.max(0, Math.min(bounds.max - total, bounds.desired - sizeOf(newest)))
}

/** Takes away replicas that serve nobody; returns how many. */
function dropUnhealthy(old: readonly Member[], most: number, bounds: Bounds): number {
  let dropped = 0
  for (const member of old) {
    const unhealthy = sizeOf(member) - available(member)
    const count = Math.min(most - dropped, unhealthy)
    if (count <= 0) continue
    resize(member, sizeOf(member) - count, bounds, `${count} unhealthy replicas of an old template can go`)
    dropped += count
  }
  return dropped
}

/** Takes away serving replicas as far as enough others are available; returns how many. */
function shrinkOld(all: readonly Member[], old: readonly Member[], bounds: Bounds): number {
  const spare = sum(all, available) - bounds.minAvailable
  let taken = 0
  for (const member of old) {
    const count = Math.min(sizeOf(member), spare - taken)
    if (count <= 0) continue
    resize(member, sizeOf(member) - count, bounds, `${spare} more replicas are available than must be`)
    taken += count
  }
  return taken
}

/** One step of a rolling update; true when it changed something. */
export function rollingUpdateStep(newest: Member, others: readonly Member[], bounds: Bounds): boolean {
  let changed = false
  if (sizeOf(newest) > bounds.desired) {
    changed = resize(newest, bounds.desired, bounds, `${bounds.desired} replicas are wanted`)
  } else {
    const room = roomToGrow(newest, others, bounds)
    if (room > 0) {
      const why = `the newest template has ${sizeOf(newest)} of ${bounds.desired} replicas`
      changed = resize(newest, sizeOf(newest) + room, bounds, why)
    }
  }
  const old = others.filter((member) => sizeOf(member) > 0).sort(byCreation)
  const all = [...old, newest]
  const newestUnavailable = sizeOf(newest) - available(newest)
  const removable = sum(all, sizeOf) - bounds.minAvailable - newestUnavailable
  if (removable <= 0) return changed
  const dropped = dropUnhealthy(old, removable, bounds)
  return shrinkOld(all, old, bounds) + dropped > 0 || changed
}
