import { findCondition, isConditionTrue } from '../../../api/conditions.ts'
import type { Node, Taint } from '../../../api/types/core-v1.gen.ts'
import type { Millis } from '../../../base/clock.ts'
import { isoSeconds } from '../timestamp.ts'

export const NOT_READY = 'node.kubernetes.io/not-ready'
export const UNREACHABLE = 'node.kubernetes.io/unreachable'

const BY_CONDITION: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
}
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable'
const NO_SCHEDULE_KEYS: ReadonlySet<string> = new Set([
  NOT_READY,
  UNREACHABLE,
  UNSCHEDULABLE,
  ...Object.values(BY_CONDITION),
])

/** The taint that a node's readiness calls for; undefined while it is ready. */
export function readinessTaint({ status }: Node): string | undefined {
  const ready = findCondition(status?.conditions, 'Ready')
  if (ready?.status === 'True') return undefined
  return ready?.status === 'Unknown' ? UNREACHABLE : NOT_READY
}

function noScheduleKeys(node: Node): readonly string[] {
  const readiness = readinessTaint(node)
  const keys = Object.entries(BY_CONDITION)
    .filter(([condition]) => isConditionTrue(node.status?.conditions, condition))
    .map(([, key]) => key)
  return [
    ...(readiness === undefined ? [] : [readiness]),
    ...keys,
    ...(node.spec?.unschedulable === true ? [UNSCHEDULABLE] : []),
  ]
}

/** What is to become of the taints that evict: put on now, kept if they are there, or lifted. */
export type Eviction = 'put' | 'keep' | 'lift'

/**
 * The taints a node should have. NoSchedule ones follow its conditions at once. NoExecute ones, which evict, follow its
 * readiness, but whether they are put on `eviction` says. Taints of others stay.
 */
export function wantedTaints(node: Node, eviction: Eviction, now: Millis): readonly Taint[] {
  const current = node.spec?.taints ?? []
  const timeAdded = isoSeconds(now)
  const taint = (key: string, effect: string): Taint =>
    current.find((known) => known.key === key && known.effect === effect) ?? { key, effect, timeAdded }
  const evicts = ({ key, effect }: Taint): boolean =>
    effect === 'NoExecute' && (key === NOT_READY || key === UNREACHABLE)
  const schedule = noScheduleKeys(node).map((key) => taint(key, 'NoSchedule'))
  const readiness = readinessTaint(node)
  const evicting = eviction === 'put' || (eviction === 'keep' && current.some(evicts))
  const execute = readiness !== undefined && evicting ? [taint(readiness, 'NoExecute')] : []
  const wanted = [...schedule, ...execute]
  const ours = (known: Taint): boolean =>
    known.effect === 'NoSchedule' ? NO_SCHEDULE_KEYS.has(known.key) : evicts(known)
  const kept = current.filter((known) => !ours(known) || wanted.includes(known))
  return [...kept, ...wanted.filter((known) => !kept.includes(known))]
}

/** True when the node's pods should be evicted but the taint that does it is missing. */
export function lacksEvictionTaint(node: Node): boolean {
  const readiness = readinessTaint(node)
  if (readiness === undefined) return false
  return !(node.spec?.taints ?? []).some(({ key, effect }) => key === readiness && effect === 'NoExecute')
}
