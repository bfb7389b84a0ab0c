import type { Millis } from '../../base/clock.ts'

const FIRST_MS = 10_000
const MAX_MS = 300_000
/** A container that ran this long starts again from the beginning. */
const RESET_MS = 600_000

/**
 * How long after its end an attempt is followed by the next. `delayMs` is what the last start left behind (undefined
 * before the first restart): the first restart comes at once, then 10 s, doubling to 5 min.
 */
export function crashDelay(delayMs: Millis | undefined, ranMs: Millis): Millis {
  return delayMs === undefined || ranMs >= RESET_MS ? 0 : delayMs
}

/** What a restart after `waitedMs` leaves behind for the next. */
export function nextCrashDelay(waitedMs: Millis): Millis {
  return waitedMs === 0 ? FIRST_MS : Math.min(waitedMs * 2, MAX_MS)
}

/** `10s`, `1m20s`, `5m0s`: whole seconds as Go prints durations. */
export function goDuration(ms: Millis): string {
  const seconds = Math.round(ms / 1000)
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60]
  if (hours > 0) return `${hours}h${minutes}m${rest}s`
  return minutes > 0 ? `${minutes}m${rest}s` : `${rest}s`
}
