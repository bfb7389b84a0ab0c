import type { Readable, Writable } from 'node:stream'
import type { TerminalSize } from '../../runtime/runtime.ts'
import type { CommandOutcome } from './command-outcome.ts'

/** The client's side of a remote command, whichever protocol carries it. What was not asked for is undefined. */
export interface RemoteCommand {
  readonly stdin: Readable | undefined
  readonly stdout: Writable | undefined
  readonly stderr: Writable | undefined
  /** Aborts when the client is gone. */
  readonly gone: AbortSignal
  /** Calls back with each new size of the client's terminal, the first perhaps at once. */
  onResize(callback: (size: TerminalSize) => void): void
  /** Says how it ended and closes the connection. The outputs have been ended before. */
  finish(outcome: CommandOutcome): void
}
