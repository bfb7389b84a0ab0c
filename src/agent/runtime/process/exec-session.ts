import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import type { Clock } from '../../../base/clock.ts'
import type { ContainerSession, ExecOptions } from '../runtime.ts'
import { inputPipe, makePipes, outputPipe, type PipeEnds } from './named-pipes.ts'
import { sendSignal } from './process-table.ts'
import { ProgramOutput } from './program-output.ts'
import { inTerminal, Terminal } from './terminal.ts'

export interface ExecCommand {
  /** A program's path and its arguments. */
  readonly command: readonly string[]
  readonly workingDirectory: string
  readonly environment: Readonly<Record<string, string>>
  /** Where its pipes may stand while they are opened. */
  readonly directory: string
  /** Path of script(1), which a terminal needs. */
  readonly script: string | undefined
  /** The user that it runs as, when that is somebody else than we. */
  readonly user: number | undefined
}

/** A command whose client is gone has this long to end by itself after SIGHUP. */
const HANGUP_MS = 5_000

export const NO_TERMINAL =
  'wherry: script(1) of util-linux is not installed here, so there is no terminal; going on without one\n'

/** Runs a command in a process group of its own with its streams in the caller's hands. Rejects when pipes cannot be made. */
export async function startExecSession(
  exec: ExecCommand,
  options: ExecOptions,
  clock: Clock,
): Promise<ContainerSession> {
  const directory = mkdtempSync(join(exec.directory, 'exec-'))
  const remove = (): void => rmSync(directory, { recursive: true, force: true })
  const tty = options.tty && exec.script !== undefined
  const terminalFile = join(directory, 'terminal')
  const paths = { stdin: join(directory, 'in'), stdout: join(directory, 'out'), stderr: join(directory, 'err') }
  const opened: PipeEnds<unknown>[] = []
  const keep = <Ends extends PipeEnds<unknown>>(ends: Ends): Ends => {
    opened.push(ends)
    return ends
  }
  try {
    await makePipes(Object.values(paths), '666')
    // A terminal whose input nobody gives must not end for that.
    const stdin = options.stdin || tty ? keep(inputPipe(paths.stdin)) : undefined
    const stdout = keep(outputPipe(paths.stdout))
    const stderr = tty ? undefined : keep(outputPipe(paths.stderr))
    const { command, environment } = tty
      ? inTerminal(exec.script!, exec.command, exec.environment, {
          terminalFile,
          ...(options.size === undefined ? {} : { size: options.size }),
          ...(exec.user === undefined ? {} : { owner: exec.user }),
        })
      : exec
    const child = spawn(command[0]!, command.slice(1), {
      cwd: exec.workingDirectory,
      env: environment,
      detached: true,
      stdio: [stdin?.child ?? 'ignore', stdout.child, stderr?.child ?? stdout.child],
    })
    for (const ends of opened) closeSync(ends.child)
    if (!tty) remove()
    return new ExecSession(child, {
      clock,
      notice: options.tty && !tty ? NO_TERMINAL : undefined,
      stdin: stdin?.own,
      stdout: new ProgramOutput(stdout.own, clock),
      stderr: stderr === undefined ? undefined : new ProgramOutput(stderr.own, clock),
      terminal: tty ? new Terminal(terminalFile, clock) : undefined,
      onEnd: remove,
    })
  } catch (error) {
    remove()
    throw error
  }
}

interface ExecStreams {
  readonly clock: Clock
  /** Stands before all output. */
  readonly notice: string | undefined
  readonly stdin: Writable | undefined
  readonly stdout: ProgramOutput
  readonly stderr: ProgramOutput | undefined
  readonly terminal: Terminal | undefined
  onEnd(): void
}

class ExecSession implements ContainerSession {
  readonly stdin: Writable | undefined
  readonly stdout: Readable
  readonly stderr: Readable | undefined
  readonly exited: Promise<number>
  readonly #child: ChildProcess
  readonly #streams: ExecStreams
  #over = false

  constructor(child: ChildProcess, streams: ExecStreams) {
    this.#child = child
    this.#streams = streams
    const { stdin, stdout, stderr, notice } = streams
    stdin?.on('error', () => {})
    this.stdin = stdin
    this.stdout = stdout
    this.stderr = stderr
    if (notice !== undefined) stdout.unshift(Buffer.from(notice))
    this.exited = new Promise((resolve) => {
      const end = (exitCode: number): void => {
        if (this.#over) return
        this.#over = true
        streams.onEnd()
        stdin?.destroy()
        stdout.programEnded()
        stderr?.programEnded()
        resolve(exitCode)
      }
      child.once('error', (error: NodeJS.ErrnoException) => {
        ;(stderr ?? stdout).unshift(Buffer.from(`${error.message}\n`))
        end(error.code === 'ENOENT' ? 127 : 126)
      })
      child.once('exit', (code, signal) => end(code ?? 128 + (constants.signals[signal!] ?? 0)))
    })
  }

  resize(size: Parameters<ContainerSession['resize']>[0]): void {
    void this.#streams.terminal?.resize(size)
  }

  close(): void {
    const { pid } = this.#child
    const { clock, stdin, stdout, stderr } = this.#streams
    stdin?.destroy()
    stdout.destroy()
    stderr?.destroy()
    if (pid === undefined || this.#over) return
    sendSignal(-pid, 'SIGHUP')
    const timer = clock.setTimer(HANGUP_MS, () => {
      if (!this.#over) sendSignal(-pid, 'SIGKILL')
    })
    void this.exited.then(() => timer.cancel())
  }
}

/** The session of a program that could not be started: it says why and has ended. */
export function failedSession(message: string, exitCode: 126 | 127, tty: boolean): ContainerSession {
  const text = Readable.from([Buffer.from(`${message}\n`)])
  return {
    stdin: undefined,
    stdout: tty ? text : Readable.from([]),
    stderr: tty ? undefined : text,
    exited: Promise.resolve(exitCode),
    resize() {},
    close() {},
  }
}
