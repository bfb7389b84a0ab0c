/** What a server says of itself when it is asked for its load. */
export interface LoadAnswer {
  readonly requestsInFlight: number
  /** Of the next request, as far as it knows; NaN: it does not. */
  readonly latencyMs: number
}

/** A probe's answer is a number or two; what is longer is none. */
export const LOAD_ANSWER_BYTES_MAX = 1_024

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

/** `{"requestsInFlight": 3, "latencyMs": 12.5}`, `latencyMs` may be left out; undefined for anything else. */
export function parseLoadAnswer(text: string): LoadAnswer | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { requestsInFlight, latencyMs } = value as Readonly<Record<string, unknown>>
  if (!isAmount(requestsInFlight)) return undefined
  if (latencyMs === undefined || latencyMs === null) return { requestsInFlight, latencyMs: Number.NaN }
  return isAmount(latencyMs) ? { requestsInFlight, latencyMs } : undefined
}
