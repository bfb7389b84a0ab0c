import type { Millis } from '../../base/clock.ts'

/** A moment as the API writes it: RFC 3339 in UTC, whole seconds. */
export function isoSeconds(at: Millis): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
}
