import type { Millis } from '../../../base/clock.ts'

const BACKOFF_MS_MIN = 1_000
const BACKOFF_MS_MAX = 10_000

/** How long a pod stays away after so many tries: one second, doubling to ten (kube-scheduler's defaults). */
export function backoffMs(attempts: number): Millis {
  return Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.max(0, attempts - 1))
}
