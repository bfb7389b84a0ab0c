import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync, watch } from 'node:fs'
import type { Clock, Millis, Timer } from '../../../base/clock.ts'
import { RuntimeError } from '../runtime.ts'
import type { AttemptDirectory } from './attempt-directory.ts'
import { containerOf, killProcessesOf, parentOf, sendSignal } from './process-table.ts'
import { SHIM } from './shim.ts'

export interface ContainerExit {
  readonly exitCode: number
  readonly finishedAtMs: Millis
  /** False when nobody can say how it ended: the machine was restarted, or the shim was killed while no agent looked. */
  readonly known: boolean
}

/** How often the shim of an adopted container, which is nobody's child any more, is looked for. */
const ADOPTED_POLL_MS = 1_000
/** How long a killed main process may take until its whole group is killed with the shim. */
const KILL_PATIENCE_MS = 1_000
/** How often the process that holds the input open is looked for while it is being started. */
const HOLDER_POLL_MS = 20
/** Killed, but the kernel does not let go of it (uninterruptible): reported as gone all the same. */
const GONE_PATIENCE_MS = 5_000

/**
 * One running attempt of a container: its shim, and through the shim its main process. Numbers are never trusted
 * alone: the shim is known by its mark in /proc, the main process by being the shim's child
 * (or grandchild, in a terminal).
 */
export class ContainerProcess {
  readonly exited: Promise<ContainerExit>
  readonly #id: string
  readonly #directory: AttemptDirectory
  readonly #clock: Clock
  readonly #shim: number
  #finish: (exit: ContainerExit) => void = () => {}
  #done = false
  #release: () => void = () => {}
  #deadline: { readonly at: Millis; readonly timer: Timer } | undefined
  #signalled = false

  private constructor(id: string, directory: AttemptDirectory, clock: Clock, shim: number) {
    this.#id = id
    this.#directory = directory
    this.#clock = clock
    this.#shim = shim
    this.exited = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  /** Starts the shim on a command; resolves when it runs. */
  static start(
    id: string,
    directory: AttemptDirectory,
    clock: Clock,
    command: readonly string[],
    options: {
      readonly cwd: string
      readonly env: Readonly<Record<string, string>>
      /** Descriptor of its input; it reads nothing when left out. */
      readonly stdin?: number
    },
  ): Promise<ContainerProcess> {
    const log = openSync(directory.log, 'a', 0o600)
    let child: ChildProcess
    try {
      child = spawn('/bin/sh', ['-c', SHIM, 'wherry', directory.path, ...command], {
        cwd: options.cwd,
        env: options.env,
        detached: true,
        stdio: [options.stdin ?? 'ignore', log, log],
      })
    } finally {
      closeSync(log)
    }
    return new Promise((resolve, reject) => {
      child.once('error', (cause) => reject(new RuntimeError('StartError', cause.message, { cause })))
      child.once('spawn', () => {
        const container = new ContainerProcess(id, directory, clock, child.pid!)
        child.once('exit', (code) => void container.#ended(code ?? undefined))
        child.unref()
        resolve(container)
      })
    })
  }

  /** Finds a running attempt again; undefined when its shim is gone. */
  static adopt(id: string, directory: AttemptDirectory, clock: Clock): ContainerProcess | undefined {
    const shim = readNumber(directory.shim)
    if (shim === undefined || readExit(directory) !== undefined || !isShim(shim, id)) return undefined
    const container = new ContainerProcess(id, directory, clock, shim)
    container.#follow()
    return container
  }

  /** Without a parent to hear of the end: the exit file tells at once, and a look at the shim in case there is none. */
  #follow(): void {
    let timer: Timer | undefined
    const look = (): void => {
      timer?.cancel()
      if (this.#done) return
      if (!isShim(this.#shim, this.#id)) return void this.#ended(undefined)
      timer = this.#clock.setTimer(readExit(this.#directory) === undefined ? ADOPTED_POLL_MS : 5, look)
    }
    let watcher: { close(): void } | undefined
    try {
      watcher = watch(this.#directory.path, { persistent: false }, (_, name) => {
        if (name === 'exit') look()
      }).on('error', () => {})
    } catch {
      // No watches left: the look once a second is enough.
    }
    this.#release = () => {
      timer?.cancel()
      watcher?.close()
    }
    look()
  }

  /**
   * Sends the stop signal to the main process and after `graceMs` kills. Called again with less grace it shortens the
   * wait. Resolves when everything that ran for the container is gone.
   */
  async stop(signal: NodeJS.Signals, graceMs: Millis): Promise<void> {
    const at = this.#clock.now() + graceMs
    if (!this.#done && (this.#deadline === undefined || at < this.#deadline.at)) {
      this.#deadline?.timer.cancel()
      this.#deadline = { at, timer: this.#clock.setTimer(graceMs, () => this.#kill()) }
      if (!this.#signalled && graceMs > 0) {
        this.#signalled = true
        this.#signalMain(signal)
      }
    }
    await this.exited
  }

  /** Ends the container's input, once the clients that write to it have ended, too. */
  endInput(): void {
    const holder = readNumber(this.#directory.stdinHolder)
    if (holder !== undefined && parentOf(holder) === this.#shim) sendSignal(holder, 'SIGKILL')
    // The shim has only just been started.
    else if (holder === undefined && !this.#done) this.#clock.setTimer(HOLDER_POLL_MS, () => this.endInput())
  }

  /** Lets go without touching the container. */
  release(): void {
    this.#release()
    this.#deadline?.timer.cancel()
  }

  #signalMain(signal: NodeJS.Signals): boolean {
    const main = readNumber(this.#directory.main)
    const parent = main === undefined ? undefined : parentOf(main)
    // In a terminal script(1) stands between the two.
    const isOurs = parent !== undefined && (parent === this.#shim || parentOf(parent) === this.#shim)
    if (main !== undefined && isOurs) {
      sendSignal(main, signal)
      return true
    }
    // Between the shim's start and the main process': the shim itself outlives every signal but SIGKILL.
    if (signal !== 'SIGKILL' && isShim(this.#shim, this.#id)) sendSignal(-this.#shim, signal)
    return false
  }

  /** The main process first: the shim then writes down the exit code and kills the group. */
  #kill(): void {
    if (this.#done) return
    const patience = this.#signalMain('SIGKILL') ? KILL_PATIENCE_MS : 0
    const groupTimer = this.#clock.setTimer(patience, () => {
      if (this.#done) return
      if (isShim(this.#shim, this.#id)) sendSignal(-this.#shim, 'SIGKILL')
      const goneTimer = this.#clock.setTimer(GONE_PATIENCE_MS, () => void this.#ended(137))
      this.#release = chain(this.#release, () => goneTimer.cancel())
    })
    this.#release = chain(this.#release, () => groupTimer.cancel())
  }

  async #ended(shimCode: number | undefined): Promise<void> {
    if (this.#done) return
    this.#done = true
    this.#release()
    this.#deadline?.timer.cancel()
    await killProcessesOf(new Set([this.#id]))
    this.#finish(readExit(this.#directory) ?? this.#exitWithoutFile(shimCode))
  }

  /** The disk was full (then the shim left with the code), or the shim was killed, by us or by a stranger. */
  #exitWithoutFile(shimCode: number | undefined): ContainerExit {
    return { exitCode: shimCode ?? 137, finishedAtMs: this.#clock.now(), known: true }
  }
}

function chain(first: () => void, second: () => void): () => void {
  return () => {
    first()
    second()
  }
}

function isShim(pid: number, id: string): boolean {
  return parentOf(pid) !== undefined && containerOf(pid) === id
}

function readNumber(file: string): number | undefined {
  try {
    const text = readFileSync(file, 'latin1')
    return /^\d+\n$/.test(text) ? Number(text) : undefined
  } catch {
    return undefined
  }
}

/** How an attempt ended, from what its shim wrote down. */
export function readExit(directory: AttemptDirectory): ContainerExit | undefined {
  const exitCode = readNumber(directory.exit)
  if (exitCode === undefined) return undefined
  return { exitCode, finishedAtMs: Math.floor(statSync(directory.exit).mtimeMs), known: true }
}
