import type { BalancedEndpoint } from './balanced-endpoint.ts'
import { CANCELLED, isFailure, type Outcome, SUCCEEDED } from './outcome.ts'

/** Time in which the past loses all but 1/e of its say. Linkerd's and Finagle's. */
export const DECAY_MS = 10_000
/** Taken for an endpoint that has not answered yet. Linkerd's. */
export const UNKNOWN_LATENCY_MS = 30
/** What an endpoint that always fails is taken to need. Linkerd's penalty. */
export const FAILURE_PENALTY_MS = 5_000
/** Say of one response in the failure rate: about the last ten count. 1 would be Linkerd's rule, see the decision. */
export const FAILURE_SAY = 0.1

/** e^(−x) for x ≥ 0; by its series where that is exact to 10⁻⁸, which is where a busy endpoint always is. */
export function decayed(x: number): number {
  return x < 0.005 ? 1 - x + x * x * 0.5 : Math.exp(-x)
}

/**
 * Peak-sensitive moving average, as in Finagle and Linkerd (tower's `peak_ewma.rs`): a sample above the estimate
 * replaces it, so that one slow response is enough to be careful; below it, est·w + sample·(1 − w) with
 * w = e^(−Δ/decay), Δ since the last sample. Between samples the estimate sinks toward 0 by the same w, so that an
 * endpoint which was slow gets another chance.
 *
 * A failure's own latency says nothing unless it is long (a timeout): it enters the failure rate instead. A cancelled
 * request counts only when it had already taken longer than the estimate.
 *
 * Beside it `usualMs`, which is moved by many responses only, see `usual`.
 */
export function observeLatency(
  endpoint: BalancedEndpoint,
  nowMs: number,
  sampleMs: number,
  outcome: Outcome,
  decayMs: number,
  failureSay: number,
): void {
  const known = !Number.isNaN(endpoint.latencyMs)
  const failed = isFailure(outcome)
  const estimate = known ? endpoint.latencyMs : outcome === SUCCEEDED ? 0 : UNKNOWN_LATENCY_MS
  if (outcome === CANCELLED && sampleMs <= estimate) return
  const w = known ? decayed(Math.max(0, nowMs - endpoint.latencyAtMs) / decayMs) : 1
  if (sampleMs > estimate) endpoint.latencyMs = sampleMs
  else endpoint.latencyMs = failed ? estimate * w : estimate * w + sampleMs * (1 - w)
  endpoint.latencyAtMs = nowMs
  if (!failed) endpoint.usualMs = usual(endpoint.usualMs, sampleMs)
  const rate = known ? endpoint.failureRate * w : 0
  if (outcome === CANCELLED) endpoint.failureRate = rate
  else endpoint.failureRate = rate * (1 - failureSay) + (failed ? failureSay : 0)
}

/**
 * Sinks to a lower sample at once, and rises to a higher one by half at most: one slow response changes little, five or
 * so one after another say that the endpoint is slow. The first response, which may be slow for being the first, counts
 * as 30 ms at most.
 */
function usual(before: number, sampleMs: number): number {
  if (Number.isNaN(before)) return Math.min(sampleMs, UNKNOWN_LATENCY_MS)
  return Math.min(sampleMs, before * 1.5 + 1)
}
