import { DEFAULT_ENGINE_SETTINGS, type EngineSettings } from '../l7/engine/engine-settings.ts'

/**
 * Time limits for Services. Their clients and pods were written for a network that has none: streams may be silent for
 * long, answers may take their time, and pools of clients keep connections longer than a public server would. What
 * people want limited they say by annotation.
 */
export const SERVICE_ENGINE_SETTINGS: EngineSettings = {
  ...DEFAULT_ENGINE_SETTINGS,
  // As L4.
  connectMs: 2_000,
  responseMs: 3_600_000,
  bodyMs: 3_600_000,
  clientIdleMs: 600_000,
  // Many servers close theirs after 5 s without having said so, and what is not idempotent cannot be sent again.
  upstreamIdleMs: 4_000,
  // kubectl's older streams, and Docker's.
  upgrades: ['websocket', 'spdy/3.1', 'tcp'],
}
