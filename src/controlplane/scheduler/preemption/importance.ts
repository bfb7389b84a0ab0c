import type { PodInfo } from '../cluster/pod-info.ts'

/** Sorts the most important pod first: of higher priority, then running for longer. */
export function byImportance(a: PodInfo, b: PodInfo): number {
  if (a.priority !== b.priority) return b.priority - a.priority
  if (a.startedAtMs !== b.startedAtMs) return a.startedAtMs < b.startedAtMs ? -1 : 1
  return a.key < b.key ? -1 : 1
}
