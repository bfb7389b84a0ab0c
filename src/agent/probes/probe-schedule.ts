import type { Probe } from '../../api/types/core-v1.gen.ts'
import type { Millis } from '../../base/clock.ts'

/**
 * When a probe runs. Regular runs come every `periodSeconds` after the initial delay. Until the first success, extra
 * runs come in between, soon after the start and then ever further apart: only their success counts, so a container
 * is found ready within milliseconds and still has all the failures that its thresholds grant.
 */
export interface ProbeTimes {
  readonly nextRegularMs: Millis
  readonly nextExtraMs: Millis | undefined
  readonly extraDelayMs: Millis
}

const FIRST_EXTRA_MS = 25
/** A command costs a process each time. */
const FIRST_EXTRA_EXEC_MS = 200

function periodMs(probe: Probe): Millis {
  return Math.max(1, probe.periodSeconds ?? 10) * 1000
}

/** `jitter` in [0, 1) spreads the regular runs of many containers over the period. */
export function firstTimes(probe: Probe, sinceMs: Millis, wantsExtra: boolean, jitter: number): ProbeTimes {
  const begin = sinceMs + (probe.initialDelaySeconds ?? 0) * 1000
  const extraDelayMs = probe.exec === undefined ? FIRST_EXTRA_MS : FIRST_EXTRA_EXEC_MS
  if (!wantsExtra)
    return { nextRegularMs: begin + jitter * Math.min(periodMs(probe), 10_000), nextExtraMs: undefined, extraDelayMs }
  return { nextRegularMs: begin + periodMs(probe), nextExtraMs: begin, extraDelayMs }
}

export function nextRunMs(times: ProbeTimes): Millis {
  return Math.min(times.nextRegularMs, times.nextExtraMs ?? Number.POSITIVE_INFINITY)
}

/** The times after a run that ended at `now`; `isOpen`: it has not succeeded yet. */
export function afterRun(times: ProbeTimes, probe: Probe, now: Millis, isOpen: boolean): ProbeTimes {
  const period = periodMs(probe)
  let { nextRegularMs } = times
  if (nextRegularMs <= now) nextRegularMs += Math.ceil((now - nextRegularMs + 1) / period) * period
  const extraDelayMs = Math.min(times.extraDelayMs * 1.6, period)
  const isUseful = isOpen && extraDelayMs < period
  return { nextRegularMs, nextExtraMs: isUseful ? now + times.extraDelayMs : undefined, extraDelayMs }
}
