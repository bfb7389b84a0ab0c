import type { PodInfo } from '../cluster/pod-info.ts'

/** When a pod began to run, in milliseconds since the epoch; one that has not yet begun, at the end of time. */
export function startedAt({ pod }: PodInfo): number {
  const text = pod.status?.startTime
  return text === undefined ? Number.POSITIVE_INFINITY : Date.parse(text)
}

/** Sorts the most important pod first: of higher priority, then running for longer. */
export function byImportance(a: PodInfo, b: PodInfo): number {
  if (a.priority !== b.priority) return b.priority - a.priority
  const [x, y] = [startedAt(a), startedAt(b)]
  if (x !== y) return x < y ? -1 : 1
  return a.key < b.key ? -1 : 1
}
