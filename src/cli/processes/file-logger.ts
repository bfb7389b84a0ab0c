import { join } from 'node:path'
import { destination, pino } from 'pino'
import type { Logger } from '../../base/logger.ts'
import type { ProcessConfig, Role } from './protocol.ts'

/** JSON lines in `<data directory>/logs/<role>.log`. */
export function createFileLogger(role: Role, config: ProcessConfig): Logger {
  const file = destination({ dest: join(config.dataDir, 'logs', `${role}.log`), mkdir: true, sync: false, mode: 0o600 })
  return pino({ level: config.logLevel, base: { role } }, file)
}
