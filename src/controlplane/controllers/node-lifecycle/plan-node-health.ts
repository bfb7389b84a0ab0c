import { findCondition } from '../../../api/conditions.ts'
import type { Lease } from '../../../api/types/coordination-v1.gen.ts'
import type { Node, NodeCondition } from '../../../api/types/core-v1.gen.ts'
import type { Millis } from '../../../base/clock.ts'
import { isoSeconds } from '../timestamp.ts'

const WATCHED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const

/**
 * What is remembered of a node between two looks. Only the fact that its signs of life change counts, timed by our own
 * monotonic clock: the node's clock may be wrong, and ours may have stood still.
 */
export interface NodeHealth {
  /** Lease renewal and heartbeats, as last seen. */
  readonly signs: string
  /** When they last changed; monotonic. */
  readonly aliveAt: Millis
}

export interface HealthConfig {
  /** How long a node may stay silent. */
  readonly graceMs: Millis
  /** The same for a node that has never posted its status. */
  readonly startupGraceMs: Millis
}

export interface HealthPlan {
  readonly health: NodeHealth
  /** The conditions to write; undefined when they are right. */
  readonly conditions?: readonly NodeCondition[]
  readonly why?: string
  /** Monotonic moment at which silence becomes too long. */
  readonly recheckAt: Millis
}

function signsOf(node: Node, lease: Lease | undefined): string {
  const heartbeats = (node.status?.conditions ?? []).map(
    ({ type, lastHeartbeatTime }) => `${type}=${lastHeartbeatTime}`,
  )
  return [lease?.spec?.renewTime, lease?.metadata?.uid, ...heartbeats.sort()].join(',')
}

/** Notes a node's signs of life: what is remembered moves on only when they have changed. `now` is monotonic. */
export function noteSigns(
  node: Node,
  lease: Lease | undefined,
  previous: NodeHealth | undefined,
  now: Millis,
): NodeHealth {
  const signs = signsOf(node, lease)
  return previous?.signs === signs ? previous : { signs, aliveAt: now }
}

function unknownConditions(node: Node, now: Millis): readonly NodeCondition[] {
  const at = isoSeconds(now)
  const current = node.status?.conditions ?? []
  const silent = WATCHED.map((type): NodeCondition => {
    const known = findCondition(current, type)
    if (known === undefined) {
      const [reason, message] = ['NodeStatusNeverUpdated', 'Kubelet never posted node status.']
      return {
        type,
        status: 'Unknown',
        reason,
        message,
        lastHeartbeatTime: node.metadata?.creationTimestamp,
        lastTransitionTime: at,
      }
    }
    if (known.status === 'Unknown') return known
    const [reason, message] = ['NodeStatusUnknown', 'Kubelet stopped posting node status.']
    return { ...known, status: 'Unknown', reason, message, lastTransitionTime: at }
  })
  const replaced = current.map((known) => silent.find(({ type }) => type === known.type) ?? known)
  return [...replaced, ...silent.filter(({ type }) => findCondition(current, type) === undefined)]
}

/** Whether a node is still heard of; when not, its conditions become Unknown. */
export function planNodeHealth(
  node: Node,
  lease: Lease | undefined,
  previous: NodeHealth | undefined,
  config: HealthConfig,
  time: { readonly now: Millis; readonly monotonic: Millis },
): HealthPlan {
  const health = noteSigns(node, lease, previous, time.monotonic)
  const posted = findCondition(node.status?.conditions, 'Ready') !== undefined
  const silentAt = health.aliveAt + (posted ? config.graceMs : config.startupGraceMs)
  if (time.monotonic < silentAt) return { health, recheckAt: silentAt }
  const recheckAt = time.monotonic + config.graceMs
  const conditions = unknownConditions(node, time.now)
  const same = conditions.every((condition) => findCondition(node.status?.conditions, condition.type) === condition)
  if (same) return { health, recheckAt }
  return { health, conditions, why: 'Kubelet stopped posting node status.', recheckAt }
}
