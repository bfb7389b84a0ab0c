import { appendFileSync, closeSync } from 'node:fs'
import type { Clock } from '../../../base/clock.ts'
import type { AttemptDirectory } from './attempt-directory.ts'
import { ContainerProcess } from './container-process.ts'
import { type ExecCommand, NO_TERMINAL } from './exec-session.ts'
import { makePipes, readingEnd } from './named-pipes.ts'
import { inTerminal } from './terminal.ts'

export interface StartCommand extends Omit<ExecCommand, 'directory'> {
  readonly stdin: boolean
  readonly tty: boolean
}

/** Starts the main process of one attempt, with an input and in a terminal if it is to have them. */
export async function startProcess(
  id: string,
  directory: AttemptDirectory,
  clock: Clock,
  start: StartCommand,
): Promise<ContainerProcess> {
  const tty = start.tty && start.script !== undefined
  if (start.tty && !tty) appendFileSync(directory.log, NO_TERMINAL, { mode: 0o600 })
  const { command, environment } = tty
    ? inTerminal(start.script!, start.command, start.environment, {
        terminalFile: directory.terminal,
        mainFile: directory.main,
        ...(start.user === undefined ? {} : { owner: start.user }),
      })
    : start
  const options = { cwd: start.workingDirectory, env: environment }
  // A terminal whose input nobody gives must not end for that.
  if (!start.stdin && !tty) return ContainerProcess.start(id, directory, clock, command, options)
  await makePipes([directory.stdin], '600')
  const stdin = readingEnd(directory.stdin)
  try {
    return await ContainerProcess.start(id, directory, clock, command, { ...options, stdin })
  } finally {
    closeSync(stdin)
  }
}
