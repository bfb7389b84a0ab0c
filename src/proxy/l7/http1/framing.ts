/** How a body ends (RFC 9112 §6.3). */
export const NO_BODY = 0
export const BY_LENGTH = 1
export const CHUNKED = 2
/** Responses only. */
export const UNTIL_CLOSE = 3

export type Framing = typeof NO_BODY | typeof BY_LENGTH | typeof CHUNKED | typeof UNTIL_CLOSE
