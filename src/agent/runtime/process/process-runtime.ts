import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import { removeTree } from '../../files/remove-tree.ts'
import { isSafeName } from '../../files/safe-name.ts'
import { LOG_LIMITS, LogKeeper, type LogLimits } from '../logs/log-keeper.ts'
import { readLog } from '../logs/read-log.ts'
import {
  type ContainerConfig,
  type ContainerSession,
  type ContainerState,
  type ExecOptions,
  type ExecResult,
  type LogOptions,
  type Runtime,
  RuntimeError,
  type SandboxConfig,
  type SandboxState,
} from '../runtime.ts'
import { attachSession } from './attach-session.ts'
import { type AttemptDirectory, attemptDirectory, containerId, containerRoot } from './attempt-directory.ts'
import { containerEnvironment } from './container-environment.ts'
import { type ContainerExit, ContainerProcess, readExit } from './container-process.ts'
import { makeContainerRoot, placeTerminationMessage, workingDirectoryIn } from './container-root.ts'
import { type ExecCommand, failedSession, startExecSession } from './exec-session.ts'
import { killProcessesOf } from './process-table.ts'
import { type HostIdentity, privilegePrefix, processRefusal } from './refusal.ts'
import { ProgramError, resolveProgram } from './resolve-program.ts'
import { runCommand } from './run-command.ts'
import { startProcess } from './start-process.ts'
import { terminationMessage } from './termination-message.ts'
import { writeWhole } from './write-whole.ts'

export interface ProcessRuntimeOptions {
  /** Holds one directory for each pod, named by its uid. */
  readonly directory: string
  readonly version: string
  readonly clock: Clock
  readonly logger: Logger
  readonly logLimits?: LogLimits
}

interface Container {
  state: ContainerState
  readonly config: ContainerConfig
  readonly directory: AttemptDirectory
  process: ContainerProcess | undefined
  keeper: LogKeeper | undefined
}

interface Sandbox {
  readonly config: SandboxConfig
  readonly containers: Map<string, Container>
}

/**
 * Containers as process groups on the host: no image, no isolation, no privilege needed. Everything is found again
 * after the agent's end: what runs is adopted, what ended meanwhile has its exit code.
 */
export class ProcessRuntime implements Runtime {
  readonly name = 'process'
  readonly version: string
  readonly #options: ProcessRuntimeOptions
  readonly #host: HostIdentity = hostIdentity()
  readonly #sandboxes = new Map<string, Sandbox>()
  readonly #handlers = new Set<(podUid: string) => void>()
  readonly #loaded: Promise<void>

  constructor(options: ProcessRuntimeOptions) {
    this.#options = options
    this.version = options.version
    mkdirSync(options.directory, { recursive: true, mode: 0o700 })
    this.#loaded = this.#load()
  }

  refusal(container: ContainerConfig): string | undefined {
    return processRefusal(container, this.#host)
  }

  async createSandbox(config: SandboxConfig): Promise<void> {
    await this.#loaded
    if (this.#sandboxes.has(config.podUid)) return
    if (!isSafeName(config.podUid)) throw new RuntimeError('CreatePodSandboxError', `not a uid: "${config.podUid}"`)
    mkdirSync(config.directory, { recursive: true, mode: 0o700 })
    writeWhole(join(config.directory, 'sandbox.json'), JSON.stringify(config))
    this.#sandboxes.set(config.podUid, { config, containers: new Map() })
  }

  async removeSandbox(podUid: string): Promise<void> {
    await this.#loaded
    const sandbox = this.#sandboxes.get(podUid)
    if (sandbox === undefined) return
    await Promise.all([...sandbox.containers.keys()].map((id) => this.stopContainer(id, 0)))
    await Promise.all([...sandbox.containers.values()].map((container) => container.keeper?.close()))
    await removeTree(sandbox.config.directory)
    this.#sandboxes.delete(podUid)
  }

  async startContainer(config: ContainerConfig): Promise<ContainerState> {
    await this.#loaded
    const sandbox = this.#sandboxes.get(config.podUid)
    if (sandbox === undefined) throw new RuntimeError('CreateContainerError', `pod ${config.podUid} has no sandbox`)
    if (!isSafeName(config.name)) throw new RuntimeError('CreateContainerError', `not a name: "${config.name}"`)
    const refusal = this.refusal(config)
    if (refusal !== undefined) throw new RuntimeError('CreateContainerError', refusal)
    const id = containerId(config.podUid, config.name, config.attempt)
    const present = sandbox.containers.get(id)
    if (present !== undefined) return present.state
    for (const other of sandbox.containers.values())
      if (other.config.name === config.name && other.state.phase === 'running')
        throw new RuntimeError('CreateContainerError', `attempt ${other.config.attempt} still runs`)

    const directory = attemptDirectory(sandbox.config.directory, config.name, config.attempt)
    // A start that was broken off before it left a configuration left nothing that counts.
    await removeTree(directory.path)
    mkdirSync(directory.path, { recursive: true, mode: 0o700 })
    const startedAtMs = this.#options.clock.now()
    const state: ContainerState = {
      id,
      podUid: config.podUid,
      name: config.name,
      attempt: config.attempt,
      image: config.image,
      phase: 'running',
      startedAtMs,
    }
    const container: Container = { state, config, directory, process: undefined, keeper: undefined }
    try {
      const root = await this.#makeRoot(sandbox, config, directory)
      const env = containerEnvironment(config, id, root)
      const cwd = workingDirectoryIn(root, config.workingDir)
      const command = [...config.command, ...config.args]
      const program = resolveProgram(command[0]!, { root, workingDirectory: cwd, path: env.PATH! })
      writeWhole(directory.config, JSON.stringify({ config, startedAtMs }))
      const prefix = privilegePrefix(config.securityContext, this.#host)
      container.process = await startProcess(id, directory, this.#options.clock, {
        command: [...prefix, program, ...command.slice(1)],
        workingDirectory: cwd,
        environment: env,
        stdin: config.stdin,
        tty: config.tty,
        script: this.#host.script,
        user: this.#userOf(config),
      })
    } catch (cause) {
      throw await this.#failed(sandbox, container, cause)
    }
    sandbox.containers.set(id, container)
    this.#follow(container)
    return container.state
  }

  async stopContainer(id: string, graceMs: number): Promise<void> {
    await this.#loaded
    const container = this.#find(id)
    if (container?.process === undefined) return
    const signal = (container.config.stopSignal ?? 'SIGTERM') as NodeJS.Signals
    await container.process.stop(signal, graceMs)
    await container.keeper?.close()
  }

  async removeContainer(id: string): Promise<void> {
    await this.stopContainer(id, 0)
    const container = this.#find(id)
    if (container === undefined) return
    this.#sandboxes.get(container.config.podUid)?.containers.delete(id)
    await container.keeper?.close()
    await removeTree(container.directory.path)
  }

  async exec(id: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    await this.#loaded
    const { command: all, workingDirectory: cwd, environment: env } = this.#beside(this.#running(id), command)
    return runCommand(all[0]!, all.slice(1), { cwd, env, timeoutMs })
  }

  async openExec(id: string, command: readonly string[], options: ExecOptions): Promise<ContainerSession> {
    await this.#loaded
    const container = this.#running(id)
    try {
      const exec = {
        ...this.#beside(container, command),
        directory: container.directory.path,
        script: this.#host.script,
        user: this.#userOf(container.config),
      }
      return await startExecSession(exec, options, this.#options.clock)
    } catch (error) {
      if (error instanceof ProgramError) return failedSession(error.message, error.exitCode, options.tty)
      throw error
    }
  }

  async attach(id: string, options: ExecOptions): Promise<ContainerSession> {
    await this.#loaded
    const { process, directory, config } = this.#running(id)
    return attachSession({ process, directory, config }, options, this.#options.clock)
  }

  async list(): Promise<readonly SandboxState[]> {
    await this.#loaded
    return [...this.#sandboxes.values()].map(sandboxState)
  }

  async get(podUid: string): Promise<SandboxState | undefined> {
    await this.#loaded
    const sandbox = this.#sandboxes.get(podUid)
    return sandbox === undefined ? undefined : sandboxState(sandbox)
  }

  onChange(handler: (podUid: string) => void): () => void {
    this.#handlers.add(handler)
    return () => this.#handlers.delete(handler)
  }

  async *logs(id: string, options: LogOptions, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    await this.#loaded
    const container = this.#find(id)
    if (container === undefined) return
    const { keeper } = container
    yield* readLog(
      {
        log: container.directory.log,
        isOpen: () => container.state.phase === 'running',
        start: () => keeper?.start ?? 0,
        grown: (position, stop) => keeper?.grown(position, stop) ?? Promise.resolve(),
      },
      options,
      signal,
    )
  }

  async close(): Promise<void> {
    await this.#loaded
    this.#handlers.clear()
    for (const { containers } of this.#sandboxes.values())
      for (const container of containers.values()) {
        container.process?.release()
        await container.keeper?.close()
      }
  }

  #find(id: string): Container | undefined {
    return this.#sandboxes.get(id.slice(0, id.indexOf('.')))?.containers.get(id)
  }

  #running(id: string): Container & { readonly process: ContainerProcess } {
    const container = this.#find(id)
    if (container?.process === undefined || container.state.phase !== 'running')
      throw new RuntimeError('ExecError', `container ${id} is not running`)
    return container as Container & { readonly process: ContainerProcess }
  }

  /** What it takes to run a command as one of a container's own. Throws ProgramError. */
  #beside(
    { config, state }: Container,
    command: readonly string[],
  ): Pick<ExecCommand, 'command' | 'workingDirectory' | 'environment'> {
    const sandbox = this.#sandboxes.get(config.podUid)!
    const root = containerRoot(sandbox.config.directory, config.name)
    const environment = containerEnvironment(config, state.id, root)
    const workingDirectory = workingDirectoryIn(root, config.workingDir)
    const program = resolveProgram(command[0] ?? '', { root, workingDirectory, path: environment.PATH! })
    const prefix = privilegePrefix(config.securityContext, this.#host)
    return { command: [...prefix, program, ...command.slice(1)], workingDirectory, environment }
  }

  /** Who a container runs as, when that is somebody else than we. */
  #userOf({ securityContext: { runAsUser } }: ContainerConfig): number | undefined {
    return runAsUser === this.#host.uid ? undefined : runAsUser
  }

  async #makeRoot(sandbox: Sandbox, config: ContainerConfig, directory: AttemptDirectory): Promise<string> {
    const root = containerRoot(sandbox.config.directory, config.name)
    await makeContainerRoot(root, config.mounts)
    await placeTerminationMessage(root, config, directory.terminationMessage)
    const { runAsUser, runAsGroup } = config.securityContext
    if (this.#host.uid === 0 && runAsUser !== undefined && runAsUser !== 0) {
      chownSync(root, runAsUser, runAsGroup ?? 0)
      chmodSync(directory.terminationMessage, 0o666)
      // Another user must be able to walk to its own root and volumes; names still cannot be listed.
      const own = [
        dirname(root),
        dirname(dirname(root)),
        sandbox.config.directory,
        join(sandbox.config.directory, 'volumes'),
      ]
      const above = [1, 2, 3, 4].map((level) => join(this.#options.directory, ...Array(level - 1).fill('..')))
      for (const path of [directory.path, ...own, ...above])
        if (statSync(path, { throwIfNoEntry: false })?.uid === 0) chmodSync(path, statSync(path).mode | 0o011)
    }
    return root
  }

  /** A container that never ran is an attempt all the same: it shows as ended with 128, and the next one backs off. */
  async #failed(sandbox: Sandbox, container: Container, cause: unknown): Promise<RuntimeError> {
    const error =
      cause instanceof RuntimeError
        ? cause
        : new RuntimeError('StartError', cause instanceof Error ? cause.message : String(cause), { cause })
    if (error.reason !== 'StartError') {
      await removeTree(container.directory.path)
      return error
    }
    const failure = {
      finishedAtMs: this.#options.clock.now(),
      exitCode: 128,
      reason: 'StartError',
      message: error.message,
    }
    container.state = { ...container.state, phase: 'exited', ...failure }
    writeWhole(
      container.directory.config,
      JSON.stringify({ config: container.config, startedAtMs: container.state.startedAtMs }),
    )
    writeWhole(container.directory.failure, JSON.stringify(failure))
    sandbox.containers.set(container.state.id, container)
    return new RuntimeError('RunContainerError', error.message, { cause: error })
  }

  #follow(container: Container): void {
    const keeper = new LogKeeper(container.directory.log, this.#options.clock, this.#options.logLimits ?? LOG_LIMITS)
    container.keeper = keeper
    void keeper.open()
    void container.process?.exited.then(async (exit) => {
      container.state = exitedState(container, exit)
      await keeper.close()
      container.process = undefined
      for (const handler of this.#handlers) handler(container.config.podUid)
    })
  }

  /** Finds everything again that an earlier agent left on disk. */
  async #load(): Promise<void> {
    for (const podUid of readdirSync(this.#options.directory)) {
      const podDirectory = join(this.#options.directory, podUid)
      const config = readJson<SandboxConfig>(join(podDirectory, 'sandbox.json'))
      if (config === undefined) {
        await removeTree(podDirectory)
        continue
      }
      const sandbox: Sandbox = { config, containers: new Map() }
      this.#sandboxes.set(podUid, sandbox)
      for (const name of listDirectory(join(podDirectory, 'containers')))
        for (const attempt of listDirectory(join(podDirectory, 'containers', name)))
          if (/^\d+$/.test(attempt)) await this.#loadContainer(sandbox, name, Number(attempt))
    }
    // What ended containers left behind outside their groups, if anything.
    const ended = [...this.#sandboxes.values()].flatMap(({ containers }) =>
      [...containers.values()].filter(({ state }) => state.phase === 'exited').map(({ state }) => state.id),
    )
    if (ended.length > 0) await killProcessesOf(new Set(ended))
  }

  async #loadContainer(sandbox: Sandbox, name: string, attempt: number): Promise<void> {
    const { podUid, directory: podDirectory } = sandbox.config
    const directory = attemptDirectory(podDirectory, name, attempt)
    const id = containerId(podUid, name, attempt)
    const saved = readJson<{ config: ContainerConfig; startedAtMs: number }>(directory.config)
    if (saved === undefined) return removeTree(directory.path)
    const { startedAtMs } = saved
    const { image } = saved.config
    const state: ContainerState = { id, podUid, name, attempt, image, phase: 'running', startedAtMs }
    const container: Container = { state, config: saved.config, directory, process: undefined, keeper: undefined }
    sandbox.containers.set(id, container)
    const failure = readJson<Pick<ContainerState, 'finishedAtMs' | 'exitCode' | 'reason' | 'message'>>(
      directory.failure,
    )
    if (failure !== undefined) {
      container.state = { ...state, phase: 'exited', ...failure }
      return
    }
    container.process = ContainerProcess.adopt(id, directory, this.#options.clock)
    if (container.process === undefined && readExit(directory) === undefined) {
      // Its shim may be on its way all the same, from the moment of the last agent's end: see there.
      disown(directory)
      container.process = ContainerProcess.adopt(id, directory, this.#options.clock)
    }
    if (container.process !== undefined) {
      this.#options.logger.info({ container: id }, 'adopted a running container')
      return this.#follow(container)
    }
    const unknown: ContainerExit = { exitCode: 255, finishedAtMs: this.#options.clock.now(), known: false }
    container.state = exitedState(container, readExit(directory) ?? unknown)
  }
}

/** Tells a shim that has not started yet that it need not; on a full disk nothing can be told. */
function disown(directory: AttemptDirectory): void {
  try {
    writeFileSync(directory.disowned, '', { mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

function sandboxState({ config, containers }: Sandbox): SandboxState {
  const { podUid, podName, podNamespace, ip } = config
  return { podUid, podName, podNamespace, ip, containers: [...containers.values()].map(({ state }) => state) }
}

function exitedState(container: Container, exit: ContainerExit): ContainerState {
  const message = terminationMessage(container.directory, container.config.terminationMessagePolicy, exit.exitCode)
  return {
    ...container.state,
    phase: 'exited',
    exitCode: exit.exitCode,
    finishedAtMs: Math.max(exit.finishedAtMs, container.state.startedAtMs),
    reason: exit.known ? (exit.exitCode === 0 ? 'Completed' : 'Error') : 'Unknown',
    ...(message === '' ? {} : { message }),
  }
}

function listDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch {
    return undefined
  }
}

function hostIdentity(): HostIdentity {
  const find = (name: string): string | undefined =>
    [`/usr/bin/${name}`, `/bin/${name}`].find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
  return {
    uid: process.getuid!(),
    gid: process.getgid!(),
    groups: process.getgroups!(),
    setpriv: find('setpriv'),
    script: find('script'),
  }
}
