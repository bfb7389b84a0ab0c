/** The most that a count of replicas can hold (int32). */
const REPLICAS_MAX = 2 ** 31 - 1

/** A ratio times a count as a count of replicas: rounded up, and within what a count can be. */
export function replicaCount(value: number): number {
  return Math.min(REPLICAS_MAX, Math.max(0, Math.ceil(value)))
}
