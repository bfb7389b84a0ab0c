import { DEFAULT_FLOOD_LIMITS, type FloodLimits } from './flood-guard.ts'

/** What HTTP/2 connections are given, on the clients' side and to endpoints. */
export interface Http2Settings {
  /** Requests of one client at a time. */
  readonly streamsMax: number
  /** Of a body, on its way to where it goes: the other side stops sending when so much has not gone on. */
  readonly streamWindowBytes: number
  /** Of all bodies of one connection together. */
  readonly connectionWindowBytes: number
  readonly floods: FloodLimits
  /** Requests that one connection to an endpoint carries at a time, where the endpoint allows for more. */
  readonly upstreamStreamsMax: number
}

export const DEFAULT_HTTP2_SETTINGS: Http2Settings = {
  streamsMax: 128,
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 1024 * 1024,
  floods: DEFAULT_FLOOD_LIMITS,
  upstreamStreamsMax: 128,
}
