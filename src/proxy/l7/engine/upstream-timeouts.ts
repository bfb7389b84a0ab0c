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

/** What an upstream does not say is as in the engine's settings. */
export function upstreamTimeouts(own: Partial<UpstreamTimeouts>, settings: EngineSettings): UpstreamTimeouts {
  return {
    connectMs: own.connectMs ?? settings.connectMs,
    responseMs: own.responseMs ?? settings.responseMs,
    requestMs: own.requestMs ?? Number.POSITIVE_INFINITY,
    idleMs: own.idleMs ?? settings.upstreamIdleMs,
  }
}
