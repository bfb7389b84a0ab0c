import { DEFAULT_FORWARD_SETTINGS, type ForwardSettings } from '../http1/forward-request.ts'
import { DEFAULT_HEAD_LIMITS, type HeadLimits } from '../http1/head-limits.ts'
import { DEFAULT_HTTP2_SETTINGS, type Http2Settings } from '../http2/http2-settings.ts'

/** What all listeners of an engine share. Times in milliseconds. */
export interface EngineSettings {
  readonly limits: HeadLimits
  readonly forward: ForwardSettings
  /** Request bodies beyond this get 413; Infinity: none do. */
  readonly bodyBytesMax: number
  /** A client's connection without a request. */
  readonly clientIdleMs: number
  /** From a request's first byte to the end of its head. */
  readonly headMs: number
  /** Between two parts of a body, either way, and for a client to take what is written to it. */
  readonly bodyMs: number
  readonly connectMs: number
  /** From a request sent to the head of its response. */
  readonly responseMs: number
  /** Unused connections to endpoints; shorter where the endpoint says so. */
  readonly upstreamIdleMs: number
  readonly tunnelIdleMs: number
  /** How long a connection that is being closed after a refusal is still read from, so that the answer arrives. */
  readonly lingerMs: number
  /** Protocols that a client may upgrade to, in lower case. */
  readonly upgrades: readonly string[]
  readonly pipelining: PipeliningSettings
  readonly http2: Http2Settings
}

/** When several safe requests without a body share a connection to an endpoint; see `sharing-rule.ts`. */
export interface PipeliningSettings {
  /** Requests on one connection; 1: off. */
  readonly depthMax: number
  /** Endpoints whose quickest answer of 256 takes longer are not shared; a busy one's can take milliseconds. */
  readonly fastMs: number
  /** The latency without sharing is measured anew so often; at 60,000 requests/s that takes 4 ms. */
  readonly renewMs: number
  /** What waiting behind others may add to the latency on average. */
  readonly waitMs: number
  /** The first request of a connection has had no answer for so long: those behind it go elsewhere. */
  readonly stallMs: number
  /** After that an endpoint's connections are not shared for so long, doubled each time it happens soon again. */
  readonly pauseMs: number
  readonly pauseMaxMs: number
}

export const DEFAULT_ENGINE_SETTINGS: EngineSettings = {
  limits: DEFAULT_HEAD_LIMITS,
  forward: DEFAULT_FORWARD_SETTINGS,
  bodyBytesMax: Number.POSITIVE_INFINITY,
  clientIdleMs: 75_000,
  headMs: 10_000,
  bodyMs: 60_000,
  connectMs: 5_000,
  responseMs: 60_000,
  upstreamIdleMs: 60_000,
  tunnelIdleMs: 3_600_000,
  lingerMs: 2_000,
  upgrades: ['websocket'],
  pipelining: {
    depthMax: 128,
    fastMs: 5,
    renewMs: 5_000,
    waitMs: 0.25,
    stallMs: 10,
    pauseMs: 1_000,
    pauseMaxMs: 60_000,
  },
  http2: DEFAULT_HTTP2_SETTINGS,
}
