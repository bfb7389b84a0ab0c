import type { Millis } from '../../base/clock.ts'

/** What metrics asked for at a time, before anything held it back. */
export interface Recommendation {
  readonly atMs: Millis
  readonly replicas: number
}

/** Replicas that were added or taken away at a time; always more than 0. */
export interface ScaleChange {
  readonly atMs: Millis
  readonly count: number
}

/** What an autoscaler remembers of its own past, oldest first. Forgotten with the process, as upstream. */
export interface ScalingHistory {
  readonly recommendations: readonly Recommendation[]
  readonly ups: readonly ScaleChange[]
  readonly downs: readonly ScaleChange[]
}

/** The longest window and the longest period that a behavior may have. */
const REMEMBERED_MS = 3_600_000

/** Of an autoscaler that is seen for the first time: what it finds counts as what was recommended. */
export function firstHistory(currentReplicas: number, nowMs: Millis): ScalingHistory {
  return { recommendations: [{ atMs: nowMs, replicas: currentReplicas }], ups: [], downs: [] }
}

function recent<T extends { readonly atMs: Millis }>(list: readonly T[], nowMs: Millis): readonly T[] {
  return list.filter(({ atMs }) => atMs >= nowMs - REMEMBERED_MS)
}

export function withRecommendation(history: ScalingHistory, replicas: number, nowMs: Millis): ScalingHistory {
  return { ...history, recommendations: [...recent(history.recommendations, nowMs), { atMs: nowMs, replicas }] }
}

/** After a change of the size that went through. */
export function withScaleChange(history: ScalingHistory, from: number, to: number, nowMs: Millis): ScalingHistory {
  const change = { atMs: nowMs, count: Math.abs(to - from) }
  if (to > from) return { ...history, ups: [...recent(history.ups, nowMs), change] }
  return to < from ? { ...history, downs: [...recent(history.downs, nowMs), change] } : history
}
