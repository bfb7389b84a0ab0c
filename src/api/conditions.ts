interface AnyCondition {
  readonly type: string
  readonly status: string
  readonly lastTransitionTime?: string
}

export function findCondition<C extends AnyCondition>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type)
}

export function isConditionTrue(conditions: readonly AnyCondition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True'
}

/** The list with this condition put in; `lastTransitionTime` moves only when its status changes. */
export function setCondition<C extends AnyCondition>(
  conditions: readonly C[] | undefined,
  next: C,
  nowIso: string,
): readonly C[] {
  const previous = findCondition(conditions, next.type)
  const same = previous?.status === next.status
  const condition = { ...next, lastTransitionTime: same ? (previous.lastTransitionTime ?? nowIso) : nowIso }
  if (previous === undefined) return [...(conditions ?? []), condition]
  return conditions!.map((c) => (c.type === next.type ? condition : c))
}
