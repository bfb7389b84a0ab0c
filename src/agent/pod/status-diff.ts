import type { PodCondition, PodStatus } from '../../api/types/core-v1.gen.ts'

/** What the agent owns in a pod's status; the rest belongs to others and is left alone. */
const OWN_CONDITIONS = [
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
  // Others' as well: the agent says it of a pod that it evicts itself.
  'DisruptionTarget',
]
const OWN_FIELDS = [
  'phase',
  'reason',
  'message',
  'hostIP',
  'hostIPs',
  'podIP',
  'podIPs',
  'startTime',
  'qosClass',
  'observedGeneration',
  'initContainerStatuses',
  'containerStatuses',
] as const

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  // An absent field and one that holds nothing are the same in the API.
  return [...keys].every((key) => same(left[key], right[key]) || (isNothing(left[key]) && isNothing(right[key])))
}

function isNothing(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0)
  )
}

/**
 * A strategic merge patch of `status` that makes the agent's fields what they should be; undefined when they are.
 * Conditions are merged by type, so only those that differ are sent.
 */
export function statusDiff(current: PodStatus | undefined, wanted: PodStatus): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {}
  for (const field of OWN_FIELDS) {
    if (!same(current?.[field], wanted[field])) patch[field] = wanted[field] ?? null
  }
  // These two merge by address, so a new one would otherwise stand beside the old.
  if (patch.podIPs !== undefined) patch.podIPs = [...(wanted.podIPs ?? []), { $patch: 'replace' }]
  if (patch.hostIPs !== undefined) patch.hostIPs = [...(wanted.hostIPs ?? []), { $patch: 'replace' }]
  const conditions = (wanted.conditions ?? []).filter(
    (condition) =>
      OWN_CONDITIONS.includes(condition.type) &&
      !same(
        current?.conditions?.find(({ type }) => type === condition.type),
        condition,
      ),
  )
  if (conditions.length > 0) patch.conditions = conditions.map(withoutOldReason)
  return Object.keys(patch).length === 0 ? undefined : patch
}

/** A merge keeps what is not named: a reason that no longer holds has to be taken away. */
function withoutOldReason(condition: PodCondition): Record<string, unknown> {
  return { ...condition, reason: condition.reason ?? null, message: condition.message ?? null }
}

/** The status to plan from: the agent's own last word, even while it has not reached the API, with what others say. */
export function overlayStatus(api: PodStatus | undefined, own: PodStatus | undefined): PodStatus | undefined {
  if (own === undefined) return api
  const isOver = api?.phase === 'Succeeded' || api?.phase === 'Failed'
  const said = (own.conditions ?? []).filter(({ type }) => OWN_CONDITIONS.includes(type))
  const foreign = (api?.conditions ?? []).filter(({ type }) => !said.some((condition) => condition.type === type))
  const conditions = [...foreign, ...said]
  return { ...api, ...own, ...(isOver ? { phase: api.phase } : {}), conditions }
}
