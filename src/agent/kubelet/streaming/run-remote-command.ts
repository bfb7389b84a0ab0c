import type { Readable, Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { type Clock, sleep } from '../../../base/clock.ts'
import type { ContainerSession, TerminalSize } from '../../runtime/runtime.ts'
import type { RemoteCommand } from './remote-command.ts'

/** Clients send their terminal's size right after the streams; a program that asks for it first thing should see it. */
const FIRST_SIZE_MS = 150

/** Carries input to the program. A program that stopped reading is no error: the rest of its input is dropped. */
function feed(from: Readable, to: Writable | undefined): void {
  if (to === undefined) return void from.resume()
  const drop = (): void => {
    from.unpipe(to)
    from.resume()
  }
  to.once('error', drop)
  to.once('close', drop)
  from.pipe(to)
}

/** Carries output to the client, and ends there what has ended here. Output nobody asked for is read and dropped. */
async function carry(from: Readable | undefined, to: Writable | undefined): Promise<void> {
  if (from === undefined) return void to?.end()
  if (to === undefined) {
    from.resume()
    return finished(from, { writable: false }).catch(() => {})
  }
  await pipeline(from, to).catch(() => {})
}

/** The terminal's size, when the client says it soon enough. */
async function firstSize(command: RemoteCommand, clock: Clock): Promise<TerminalSize | undefined> {
  const waiting = new AbortController()
  let first: TerminalSize | undefined
  command.onResize((size) => {
    first = size
    waiting.abort()
  })
  await sleep(clock, FIRST_SIZE_MS, AbortSignal.any([waiting.signal, command.gone]))
  return first
}

/**
 * Joins a client and a program: starts it, carries input, output and terminal sizes with back-pressure both ways, tells
 * the client how it ended. A client that goes away first ends the session. Never rejects.
 */
export async function runRemoteCommand(
  command: RemoteCommand,
  options: { readonly tty: boolean; readonly clock: Clock; readonly failure: string },
  open: (size: TerminalSize | undefined) => Promise<ContainerSession>,
): Promise<void> {
  const size = options.tty ? await firstSize(command, options.clock) : undefined
  let session: ContainerSession
  try {
    session = await open(size)
  } catch (error) {
    const message = `${options.failure}: ${error instanceof Error ? error.message : String(error)}`
    command.stdout?.end()
    command.stderr?.end()
    return command.finish({ kind: 'failed', message })
  }
  const onGone = (): void => session.close()
  command.gone.addEventListener('abort', onGone, { once: true })
  if (command.gone.aborted) onGone()
  command.onResize((next) => session.resize(next))
  if (command.stdin !== undefined) feed(command.stdin, session.stdin)
  const outputs = Promise.all([carry(session.stdout, command.stdout), carry(session.stderr, command.stderr)])
  const exitCode = await session.exited
  await outputs
  command.gone.removeEventListener('abort', onGone)
  command.finish({ kind: 'exited', exitCode })
}
