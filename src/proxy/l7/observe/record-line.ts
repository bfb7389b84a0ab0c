import type { RequestRecord } from './request-observer.ts'

/** A record as one line of JSON, its time in ISO 8601; what does not apply is left out. */
export function recordLine(record: RequestRecord): string {
  const { atMs, route, service, endpoint, error, durationMs, ...rest } = record
  return `${JSON.stringify({
    time: new Date(atMs).toISOString(),
    ...rest,
    durationMs: Math.round(durationMs * 1_000) / 1_000,
    ...(route === '' ? {} : { route, service }),
    ...(endpoint === '' ? {} : { endpoint }),
    ...(error === '' ? {} : { error }),
  })}\n`
}
