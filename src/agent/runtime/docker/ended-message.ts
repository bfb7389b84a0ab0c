import { attemptDirectory } from '../process/attempt-directory.ts'
import { terminationMessage } from '../process/termination-message.ts'
import type { ContainerConfig, ContainerState } from '../runtime.ts'
import { containerLogs } from './container-logs.ts'
import type { DockerEngine } from './docker-engine.ts'

/** Kubernetes' bounds of what a log may say of an end. */
const FALLBACK_BYTES = 2048
const FALLBACK_LINES = 80

/** What an ended container says of its end: its message, or with the fallback policy the end of its log. */
export async function endedMessage(
  engine: DockerEngine,
  podDirectory: string,
  { id, name, attempt, exitCode = 0 }: ContainerState,
  policy: ContainerConfig['terminationMessagePolicy'],
  tty: boolean,
): Promise<string> {
  const message = terminationMessage(attemptDirectory(podDirectory, name, attempt), 'File', exitCode)
  if (message !== '' || policy === 'File' || exitCode === 0) return message
  const parts: Uint8Array[] = []
  const options = { follow: false, timestamps: false, tailLines: FALLBACK_LINES, limitBytes: 1024 * 1024 }
  try {
    const log = containerLogs(engine, { id, tty }, options, AbortSignal.timeout(5_000))
    for await (const part of log) parts.push(part)
  } catch {
    // Without a log there is nothing to say.
  }
  return Buffer.concat(parts).subarray(-FALLBACK_BYTES).toString()
}
