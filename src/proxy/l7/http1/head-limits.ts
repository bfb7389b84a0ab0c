/** What a message head may be. */
export interface HeadLimits {
  /** Start line and headers together. */
  readonly headBytesMax: number
  readonly headersMax: number
  /** Requests only. */
  readonly targetBytesMax: number
}

export const DEFAULT_HEAD_LIMITS: HeadLimits = { headBytesMax: 16_384, headersMax: 100, targetBytesMax: 8_192 }
