import { type ChildProcess, fork } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { identifyProcess, type ProcessIdentity } from '../../base/process-identity.ts'
import type { FromChild, ProcessConfig, Role, ToChild } from '../processes/protocol.ts'

const RESTART_MS_MIN = 50
const RESTART_MS_MAX = 5_000
/** A child that has run this long is well again: its next restart comes at once. */
const HEALTHY_MS = 10_000

/**
 * New objects of the control plane live long: with V8's own size of nursery one collection of it takes 25–40 ms at 4,000
 * creates a second, with this one 3–8 ms, and a third of the memory is saved (bench/api.bench.ts).
 */
export const NODE_FLAGS: Readonly<Record<Role, readonly string[]>> = {
  'control-plane': ['--max-semi-space-size=8'],
  agent: [],
  proxy: [],
}

export interface ChildHandlers {
  onMessage(role: Role, message: FromChild): void
  /** The process number changed: started or restarted. */
  onStarted(role: Role, identity: ProcessIdentity | undefined): void
  /** It died without being asked; it is started again after `restartMs`. */
  onDied(role: Role, how: string, restartMs: number): void
}

/** One child process of the supervisor, started again with growing delay whenever it dies. */
export class SupervisedChild {
  readonly role: Role
  readonly #dataDir: string
  readonly #handlers: ChildHandlers
  #process: ChildProcess | undefined
  #config: ProcessConfig | undefined
  #stopping = false
  #restartMs = 0
  #restartTimer: NodeJS.Timeout | undefined
  #startedAt = 0

  constructor(role: Role, dataDir: string, handlers: ChildHandlers) {
    this.role = role
    this.#dataDir = dataDir
    this.#handlers = handlers
  }

  /** Starts the process, which loads its code and waits for `configure`. */
  start(): void {
    mkdirSync(join(this.#dataDir, 'logs'), { recursive: true, mode: 0o700 })
    const output = openSync(join(this.#dataDir, 'logs', `${this.role}.stderr.log`), 'a', 0o600)
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const child = fork(fileURLToPath(new URL(`../processes/main.${extension}`, import.meta.url)), [this.role], {
      // A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which then stops all in order.
      detached: true,
      stdio: ['ignore', output, output, 'ipc'],
      execArgv: [...process.execArgv, ...NODE_FLAGS[this.role]],
    })
    closeSync(output)
    this.#process = child
    this.#startedAt = performance.now()
    child.on('message', (message: FromChild) => {
      if (message.type === 'fatal') this.#lastWords = message.message
      this.#handlers.onMessage(this.role, message)
    })
    child.on('exit', (code, signal) => this.#exited(child, signal ?? `exit code ${code}`))
    child.on('error', (error) => this.#exited(child, error.message))
    this.#handlers.onStarted(this.role, child.pid === undefined ? undefined : identifyProcess(child.pid))
    if (this.#config !== undefined) this.#send({ type: 'start', config: this.#config })
  }

  #lastWords = ''

  /** Gives the process its work; remembered for restarts. */
  configure(config: ProcessConfig): void {
    this.#config = config
    this.#send({ type: 'start', config })
  }

  /** It is not started again when it ends. */
  retire(): void {
    this.#stopping = true
    clearTimeout(this.#restartTimer)
  }

  /** Asks it to end, waits at most `graceMs`, then kills it. */
  async stop(graceMs: number): Promise<void> {
    this.retire()
    const child = this.#process
    if (child === undefined) return
    const gone = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve()
      child.once('exit', () => resolve())
    })
    this.#send({ type: 'stop' })
    const kill = setTimeout(() => child.kill('SIGKILL'), graceMs)
    await gone
    clearTimeout(kill)
  }

  #send(message: ToChild): void {
    if (this.#process?.connected === true) this.#process.send(message, () => {})
  }

  #exited(child: ChildProcess, how: string): void {
    if (this.#process !== child || this.#stopping) return
    this.#process = undefined
    const healthy = performance.now() - this.#startedAt > HEALTHY_MS
    this.#restartMs = healthy ? RESTART_MS_MIN : Math.min(RESTART_MS_MAX, Math.max(RESTART_MS_MIN, this.#restartMs * 2))
    this.#handlers.onDied(this.role, this.#lastWords === '' ? how : `${how}: ${this.#lastWords}`, this.#restartMs)
    this.#lastWords = ''
    // The handler may have given up on the whole cluster.
    if (!this.#stopping) this.#restartTimer = setTimeout(() => this.start(), this.#restartMs)
  }
}
