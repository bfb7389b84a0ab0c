import type { Writable } from 'node:stream'
import type { Clock } from '../../../base/clock.ts'
import type { ContainerConfig, ContainerSession, ExecOptions } from '../runtime.ts'
import type { AttemptDirectory } from './attempt-directory.ts'
import type { ContainerProcess } from './container-process.ts'
import { LogTail } from './log-tail.ts'
import { writeToPipe } from './named-pipes.ts'
import { Terminal } from './terminal.ts'

/** The container's input, when it has one that somebody still reads. */
function openInput(directory: AttemptDirectory): Writable | undefined {
  try {
    return writeToPipe(directory.stdin).on('error', () => {})
  } catch {
    return undefined
  }
}

/** Joins a running container: what it writes from now on, and its input and terminal if it has them. */
export async function attachSession(
  container: {
    readonly process: ContainerProcess
    readonly directory: AttemptDirectory
    readonly config: ContainerConfig
  },
  options: ExecOptions,
  clock: Clock,
): Promise<ContainerSession> {
  const { process, directory, config } = container
  const stdout = new LogTail(directory.log, clock)
  const terminal = config.tty ? new Terminal(directory.terminal, clock) : undefined
  // Before the first input, which may ask for it.
  if (options.size !== undefined) await terminal?.resize(options.size)
  const stdin = options.stdin && config.stdin ? openInput(directory) : undefined
  if (config.stdinOnce) stdin?.once('close', () => process.endInput())
  return {
    stdin,
    stdout,
    stderr: undefined,
    // How the container ended is for its pod's status to say; to have watched it went well.
    exited: process.exited.then(() => {
      stdout.end()
      stdin?.destroy()
      return 0
    }),
    resize: (size) => void terminal?.resize(size),
    close() {
      stdout.destroy()
      stdin?.destroy()
    },
  }
}
