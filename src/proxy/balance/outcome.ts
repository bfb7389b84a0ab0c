/** How a request to an endpoint ended, as the balancing and resilience rooms see it. Numbers, for the hot path. */
export type Outcome = 0 | 1 | 2 | 3 | 4 | 5

/** A response that says nothing against the endpoint; 4xx other than 429 are the client's doing. */
export const SUCCEEDED = 0
/** A response with a 5xx status, or a gRPC status that means the same. */
export const ERRED = 1
/** The endpoint asks for less: 429, RESOURCE_EXHAUSTED, a refused stream. It works; it is no reason to eject it. */
export const OVERLOADED = 2
/** No connection, or it broke before the response's head was there. */
export const UNREACHABLE = 3
/** The proxy gave up waiting. The latency is how long it waited. */
export const TIMED_OUT = 4
/** The client went away, or another try was faster. Says nothing but that it had taken this long already. */
export const CANCELLED = 5

/** Whether the endpoint is to blame. A fast answer of this kind must never look attractive. */
export function isFailure(outcome: Outcome): boolean {
  return outcome !== SUCCEEDED && outcome !== CANCELLED
}

/** Whether it counts toward taking the endpoint out: one that asks for less gets less, but is not broken. */
export function isFault(outcome: Outcome): boolean {
  return isFailure(outcome) && outcome !== OVERLOADED
}

/** `OVERLOADED` for 429, `ERRED` for 5xx, else `SUCCEEDED`. */
export function outcomeOfStatus(status: number): Outcome {
  if (status === 429) return OVERLOADED
  return status >= 500 ? ERRED : SUCCEEDED
}
