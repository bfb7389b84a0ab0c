import type { EngineSettings } from './engine-settings.ts'

/** Time limits of one upstream, in milliseconds. */
export interface UpstreamTimeouts {
  readonly connectMs: number
  /** From a request sent to the head of its response, for each try. */
  readonly responseMs: number
  /** From a request's head to the end of its response, all tries together; Infinity: none. Tunnels are not limited. */
  readonly requestMs: number
  /** Unused connections; shorter where the endpoint says so. */
  readonly idleMs: number
}

/** Those of one upstream's connections. */
export interface ConnectionTimeouts extends UpstreamTimeouts {
  /** They are looked at more often than others. */
  readonly areShort: boolean
}

const SHORT_MS = 2_000

/**
 * What an upstream does not say is as in the engine's settings. A try may take no longer than `perTryMs` until it is
 * connected, and then until the head of its response.
 */
export function upstreamTimeouts(
  own: Partial<UpstreamTimeouts>,
  settings: EngineSettings,
  perTryMs = Number.POSITIVE_INFINITY,
): ConnectionTimeouts {
  const connectMs = Math.min(own.connectMs ?? settings.connectMs, perTryMs)
  const responseMs = Math.min(own.responseMs ?? settings.responseMs, perTryMs)
  return {
    connectMs,
    responseMs,
    requestMs: own.requestMs ?? Number.POSITIVE_INFINITY,
    idleMs: own.idleMs ?? settings.upstreamIdleMs,
    areShort: Math.min(connectMs, responseMs) < SHORT_MS,
  }
}
