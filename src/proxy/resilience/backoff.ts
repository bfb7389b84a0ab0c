export interface Backoff {
  readonly baseMs: number
  readonly maxMs: number
}

/**
 * Wait before retry `attempt` (0, 1, …): anything up to min(base · 2^attempt, max), each as likely. Clients that failed
 * together do not come back together; Envoy's retries do the same, with 25 ms and ten times that.
 */
export function fullJitterMs(attempt: number, { baseMs, maxMs }: Backoff, random: () => number): number {
  return random() * Math.min(baseMs * 2 ** attempt, maxMs)
}

/**
 * Wait before trial `attempt` (0, 1, …) of an endpoint that failed: min(base · 2^attempt, max), and up to `jitter`
 * times that on top (Linkerd's exp-backoff). Never less than meant: an endpoint in trouble gets its rest.
 */
export function addedJitterMs(
  attempt: number,
  { baseMs, maxMs }: Backoff,
  jitter: number,
  random: () => number,
): number {
  const waitMs = Math.min(baseMs * 2 ** attempt, maxMs)
  return waitMs + waitMs * jitter * random()
}
