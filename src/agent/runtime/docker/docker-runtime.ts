import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, sleep } from '../../../base/clock.ts'
import { removeTree } from '../../files/remove-tree.ts'
import { isSafeName } from '../../files/safe-name.ts'
import { attemptDirectory } from '../process/attempt-directory.ts'
import { writeWhole } from '../process/write-whole.ts'
import {
  type ContainerConfig,
  type ContainerSession,
  type ContainerState,
  type ExecOptions,
  type ExecResult,
  type ImageService,
  type LogOptions,
  type Runtime,
  RuntimeError,
  type SandboxConfig,
  type SandboxState,
} from '../runtime.ts'
import { containerBody } from './container-body.ts'
import { containerLogs } from './container-logs.ts'
import { containerState, type InspectedContainer, isUnstarted } from './container-state.ts'
import { WORK_MS } from './docker-engine.ts'
import { containerLabels, podFilter, readLabels } from './docker-labels.ts'
import { dockerRefusal } from './docker-refusal.ts'
import { attachSession, execSession, runInContainer } from './docker-session.ts'
import { endedMessage } from './ended-message.ts'
import { hasStatus, isUnavailable } from './engine-error.ts'
import { containerName, memoryVolumeOf, sandboxName } from './engine-names.ts'
import type { ContainerFollower, EngineWatch, ListedContainer } from './engine-watch.ts'
import { inspectImage } from './image-service.ts'
import { removeFromEngine } from './remove-from-engine.ts'
import { rootRefusal } from './root-refusal.ts'
import { type SandboxOptions, startSandbox } from './start-sandbox.ts'

export interface DockerRuntimeOptions extends SandboxOptions {
  readonly watch: EngineWatch
  readonly images: ImageService
  /** Of the engine; asked anew each time, as an engine may come back as another one. */
  version(): string
  /** Holds one directory for each pod, named by its uid. */
  readonly directory: string
  readonly clock: Clock
}

/** A container as the engine last told of it. */
interface Known {
  readonly state: ContainerState
  readonly tty: boolean
  readonly stdin: boolean
  readonly stdinOnce: boolean
  readonly stopSignal: string
  /** Its first process on the machine; 0 when it has none. */
  readonly pid: number
}

interface Sandbox {
  readonly config: SandboxConfig
  readonly containers: Map<string, Known>
  /** What is being done about its sandbox container; one after another. */
  last: Promise<unknown>
}

/** A running container, for those who look at its processes. */
export interface RunningContainer {
  readonly id: string
  readonly podUid: string
  readonly name: string
  readonly pid: number
}

/** What the kernel may take to end a process that was killed. */
const KILLED_MS = 10_000
/** Between tries while the engine is away: whoever asked asks again at once. */
const AWAY_MS = 1_000

/**
 * Containers of a Docker engine. A pod is a sandbox container that holds its address, and its containers in the
 * sandbox' namespaces. Everything is found again by labels and by what lies in the pods' directories; what an engine
 * ended, lost or was told behind our back shows in its events and lists.
 */
export class DockerRuntime implements Runtime {
  readonly name = 'docker'
  readonly images: ImageService
  readonly #options: DockerRuntimeOptions
  readonly #sandboxes = new Map<string, Sandbox>()
  readonly #handlers = new Set<(podUid: string) => void>()
  /** Inspections of one container, one after another: an older answer never replaces a newer one. */
  readonly #looks = new Map<string, Promise<void>>()
  readonly #ends = new Map<string, Set<() => void>>()
  /** Names of containers that are being created or have not been started yet. */
  readonly #starting = new Set<string>()
  readonly #loaded = Promise.withResolvers<void>()
  readonly #unfollow: () => void
  #closed = false

  constructor(options: DockerRuntimeOptions) {
    this.#options = options
    this.images = options.images
    mkdirSync(options.directory, { recursive: true, mode: 0o700 })
    const cleared = this.#loadSandboxes()
    const follower: ContainerFollower = {
      listed: async (containers) => {
        await cleared
        await this.#listed(containers)
        this.#loaded.resolve()
      },
      changed: (id) => void this.#look(id).catch((error: unknown) => this.#notSeen(id, error)),
    }
    this.#unfollow = options.watch.follow(options.owner.node, follower)
  }

  get version(): string {
    return this.#options.version()
  }

  problem(): string | undefined {
    return this.#options.watch.problem
  }

  onProblem(handler: () => void): () => void {
    return this.#options.watch.onProblem(handler)
  }

  refusal(container: ContainerConfig): string | undefined {
    return dockerRefusal(container)
  }

  async createSandbox(config: SandboxConfig): Promise<void> {
    await this.#loaded.promise
    if (!isSafeName(config.podUid)) throw new RuntimeError('CreatePodSandboxError', `not a uid: "${config.podUid}"`)
    let sandbox = this.#sandboxes.get(config.podUid)
    if (sandbox === undefined) {
      mkdirSync(config.directory, { recursive: true, mode: 0o700 })
      writeWhole(join(config.directory, 'sandbox.json'), JSON.stringify(config))
      sandbox = { config, containers: new Map(), last: Promise.resolve() }
    }
    await this.#ensureSandbox(sandbox)
    this.#sandboxes.set(config.podUid, sandbox)
  }

  async removeSandbox(podUid: string): Promise<void> {
    await this.#loaded.promise
    const { engine, owner, directory } = this.#options
    if (!isSafeName(podUid)) return
    const filters = { label: podFilter(owner, podUid) }
    const found = await engine.call<ListedContainer[]>({
      method: 'GET',
      path: '/containers/json',
      query: { all: 1, filters },
    })
    // The sandbox last: it holds what the others stand on.
    const isSandbox = ({ Labels }: ListedContainer): boolean => readLabels(Labels)?.container === undefined
    await Promise.all(found.filter((one) => !isSandbox(one)).map(({ Id }) => this.#remove(Id)))
    await Promise.all(found.filter(isSandbox).map(({ Id }) => this.#remove(Id)))
    const { Volumes } = await engine.call<{ readonly Volumes: readonly { readonly Name: string }[] | null }>({
      method: 'GET',
      path: '/volumes',
      query: { filters },
    })
    for (const { Name } of Volumes ?? []) await this.#ignoring([404], 'DELETE', `/volumes/${Name}`)
    await removeTree(join(directory, podUid))
    for (const id of this.#sandboxes.get(podUid)?.containers.keys() ?? []) this.#tellEnd(id)
    this.#sandboxes.delete(podUid)
  }

  async startContainer(config: ContainerConfig): Promise<ContainerState> {
    await this.#loaded.promise
    const sandbox = this.#sandboxes.get(config.podUid)
    if (sandbox === undefined) throw new RuntimeError('CreateContainerError', `pod ${config.podUid} has no sandbox`)
    if (!isSafeName(config.name)) throw new RuntimeError('CreateContainerError', `not a name: "${config.name}"`)
    for (const { state } of sandbox.containers.values()) {
      if (state.name !== config.name) continue
      if (state.attempt === config.attempt) return state
      if (state.phase === 'running')
        throw new RuntimeError('CreateContainerError', `attempt ${state.attempt} still runs`)
    }
    const name = containerName(sandbox.config, config)
    this.#starting.add(name)
    try {
      return await this.#start(sandbox, config, name)
    } finally {
      this.#starting.delete(name)
    }
  }

  async #start(sandbox: Sandbox, config: ContainerConfig, name: string): Promise<ContainerState> {
    const id = await this.#create(sandbox, config, name)
    try {
      await this.#call('POST', `/containers/${id}/start`)
    } catch (cause) {
      await this.#look(id).catch((error: unknown) => this.#notSeen(id, error))
      const known = sandbox.containers.get(id)
      if (known?.state.phase === 'running') return known.state
      // One that never ran is an attempt all the same: it shows as ended, and the next one backs off.
      const reason = known === undefined ? 'CreateContainerError' : 'RunContainerError'
      throw new RuntimeError(reason, cause instanceof Error ? cause.message : String(cause), { cause })
    }
    await this.#look(id)
    const known = sandbox.containers.get(id)
    if (known === undefined) throw new RuntimeError('CreateContainerError', `container ${id} was removed as it started`)
    return known.state
  }

  async stopContainer(id: string, graceMs: number): Promise<void> {
    await this.#loaded.promise
    const known = this.#find(id)
    if (known === undefined || known.state.phase !== 'running') return
    try {
      if (graceMs > 0) {
        await this.#kill(id, known.stopSignal)
        if (await this.#ended(id, graceMs)) return
      }
      await this.#kill(id, 'SIGKILL')
      if (await this.#ended(id, KILLED_MS)) return
      throw new RuntimeError('KillContainerError', `container ${id} does not end although it was killed`)
    } catch (error) {
      if (isUnavailable(error)) await sleep(this.#options.clock, AWAY_MS)
      throw error
    }
  }

  async removeContainer(id: string): Promise<void> {
    await this.#loaded.promise
    const known = this.#find(id)
    if (known === undefined) return
    await this.#remove(id)
    const { podUid, name, attempt } = known.state
    const sandbox = this.#sandboxes.get(podUid)
    sandbox?.containers.delete(id)
    this.#tellEnd(id)
    if (sandbox !== undefined) await removeTree(attemptDirectory(sandbox.config.directory, name, attempt).path)
  }

  async exec(id: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    await this.#loaded.promise
    this.#running(id)
    return runInContainer(this.#options.engine, id, command, timeoutMs, this.#options.clock)
  }

  async openExec(id: string, command: readonly string[], options: ExecOptions): Promise<ContainerSession> {
    await this.#loaded.promise
    this.#running(id)
    return execSession(this.#options.engine, id, command, options, this.#options.clock)
  }

  async attach(id: string, options: ExecOptions): Promise<ContainerSession> {
    await this.#loaded.promise
    const { tty, stdin, stdinOnce } = this.#running(id)
    return attachSession(this.#options.engine, { id, tty, stdin, stdinOnce }, options)
  }

  async list(): Promise<readonly SandboxState[]> {
    await this.#loaded.promise
    return [...this.#sandboxes.values()].map(sandboxState)
  }

  async get(podUid: string): Promise<SandboxState | undefined> {
    await this.#loaded.promise
    const sandbox = this.#sandboxes.get(podUid)
    return sandbox === undefined ? undefined : sandboxState(sandbox)
  }

  onChange(handler: (podUid: string) => void): () => void {
    this.#handlers.add(handler)
    return () => this.#handlers.delete(handler)
  }

  async *logs(id: string, options: LogOptions, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    await this.#loaded.promise
    const known = this.#find(id)
    if (known === undefined) return
    yield* containerLogs(this.#options.engine, { id, tty: known.tty }, options, signal)
  }

  /** Ends what holds the pods' namespaces once no container runs; they come back with the first container. */
  async stopSandboxes(): Promise<void> {
    await Promise.all(
      [...this.#sandboxes.values()].map(({ config }) =>
        this.#ignoring([404, 409], 'POST', `/containers/${sandboxName(config)}/kill`),
      ),
    )
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#unfollow()
    this.#handlers.clear()
    for (const id of this.#ends.keys()) this.#tellEnd(id)
  }

  /** What runs at this moment, as far as is known. */
  running(): readonly RunningContainer[] {
    return [...this.#sandboxes.values()].flatMap(({ containers }) =>
      [...containers.values()]
        .filter(({ state, pid }) => state.phase === 'running' && pid > 0)
        .map(({ state: { id, podUid, name }, pid }) => ({ id, podUid, name, pid })),
    )
  }

  #find(id: string): Known | undefined {
    for (const { containers } of this.#sandboxes.values()) {
      const known = containers.get(id)
      if (known !== undefined) return known
    }
    return undefined
  }

  #running(id: string): Known {
    const known = this.#find(id)
    if (known?.state.phase !== 'running') throw new RuntimeError('ExecError', `container ${id} is not running`)
    return known
  }

  #call(
    method: 'POST' | 'DELETE',
    path: string,
    query: Readonly<Record<string, string | number>> = {},
  ): Promise<unknown> {
    return this.#options.engine.call({ method, path, query, timeoutMs: WORK_MS })
  }

  async #ignoring(statuses: readonly number[], method: 'POST' | 'DELETE', path: string, query = {}): Promise<void> {
    try {
      await this.#call(method, path, query)
    } catch (error) {
      if (!hasStatus(error, ...statuses)) throw error
    }
  }

  #remove(id: string): Promise<void> {
    return removeFromEngine(this.#options.engine, id)
  }

  /** Of one that does not run any more nothing is left to do but to look. */
  async #kill(id: string, signal: string): Promise<void> {
    try {
      await this.#call('POST', `/containers/${id}/kill`, { signal })
    } catch (error) {
      if (!hasStatus(error, 404, 409)) throw error
      // Not to be waited for: a look may be what ends it.
      void this.#look(id).catch((failure: unknown) => this.#notSeen(id, failure))
    }
  }

  /** True once the container runs no more; false when that takes longer than `withinMs`. */
  #ended(id: string, withinMs: number): Promise<boolean> {
    if (this.#find(id)?.state.phase !== 'running') return Promise.resolve(true)
    return new Promise((resolve) => {
      const waiting = this.#ends.get(id) ?? new Set()
      this.#ends.set(id, waiting)
      const end = (): void => {
        timer.cancel()
        resolve(true)
      }
      waiting.add(end)
      const timer = this.#options.clock.setTimer(withinMs, () => {
        waiting.delete(end)
        resolve(false)
      })
    })
  }

  #tellEnd(id: string): void {
    const waiting = this.#ends.get(id)
    this.#ends.delete(id)
    for (const end of waiting ?? []) end()
  }

  /** Creates one attempt of a container and gives its id. */
  async #create(sandbox: Sandbox, config: ContainerConfig, name: string): Promise<string> {
    const { engine, owner } = this.#options
    try {
      const image = await inspectImage(engine, config.image)
      if (image === undefined) throw new RuntimeError('ErrImagePull', `no such image: ${config.image}`)
      const refusal = rootRefusal(config, image.Config?.User ?? '')
      if (refusal !== undefined) throw new RuntimeError('CreateContainerConfigError', refusal)
      const sandboxId = await this.#ensureSandbox(sandbox)
      const { path, terminationMessage: message } = attemptDirectory(
        sandbox.config.directory,
        config.name,
        config.attempt,
      )
      mkdirSync(path, { recursive: true, mode: 0o700 })
      writeFileSync(message, '', { mode: 0o600 })
      // Whoever the container runs as.
      chmodSync(message, 0o666)
      const body = containerBody({
        sandbox: sandbox.config,
        config,
        labels: containerLabels(owner, sandbox.config, config),
        sandboxId,
        terminationMessage: message,
        mayProtect: this.#options.abilities.mayProtect,
        volumeOf: (mount) => memoryVolumeOf(sandbox.config, mount),
      })
      const create = (): Promise<{ readonly Id: string }> =>
        engine.call({ method: 'POST', path: '/containers/create', query: { name }, body, timeoutMs: WORK_MS })
      const { Id } = await create().catch(async (error: unknown) => {
        // A start that was broken off left one of this name.
        if (!hasStatus(error, 409)) throw error
        await this.#remove(name)
        return create()
      })
      return Id
    } catch (cause) {
      if (cause instanceof RuntimeError) throw cause
      throw new RuntimeError('CreateContainerError', cause instanceof Error ? cause.message : String(cause), { cause })
    }
  }

  /** Makes sure that a pod's sandbox container runs; gives its id. */
  #ensureSandbox(sandbox: Sandbox): Promise<string> {
    const result = sandbox.last.then(() => startSandbox(sandbox.config, this.#options))
    sandbox.last = result.catch(() => {})
    return result
  }

  /** Takes over what the engine has; what nobody knows of is removed, and what it has no more is forgotten. */
  async #listed(containers: readonly ListedContainer[]): Promise<void> {
    const present = new Set(containers.map(({ Id }) => Id))
    for (const { containers: known, config } of this.#sandboxes.values())
      for (const id of known.keys()) if (!present.has(id)) this.#forget(config.podUid, id)
    await Promise.all(
      containers.map((container) =>
        this.#found(container).catch((error: unknown) => {
          // One that the engine itself cannot tell about keeps nobody from the others.
          if (isUnavailable(error)) throw error
          this.#notSeen(container.Id, error)
        }),
      ),
    )
  }

  async #found({ Id, Labels, Names, State }: ListedContainer): Promise<void> {
    const labelled = readLabels(Labels)
    if (labelled === undefined || Names.some((name) => this.#starting.has(name.slice(1)))) return
    const sandbox = this.#sandboxes.get(labelled.podUid)
    if (sandbox === undefined && !this.#hasDirectory(labelled.podUid)) {
      this.#options.logger.info({ container: Id, podUid: labelled.podUid }, 'removing a container without a pod')
      await this.#remove(Id)
      return
    }
    const known = sandbox?.containers.get(Id)
    const phase = State === 'running' || State === 'paused' ? 'running' : 'exited'
    if (labelled.container === undefined || known?.state.phase !== phase || phase === 'running') await this.#look(Id)
  }

  #hasDirectory(podUid: string): boolean {
    return readJson(join(this.#options.directory, podUid, 'sandbox.json')) !== undefined
  }

  /** Asks the engine how a container is, and tells whom it concerns when it is otherwise than before. Rejects with EngineError. */
  #look(id: string): Promise<void> {
    const look = (this.#looks.get(id) ?? Promise.resolve()).then(() => this.#lookNow(id))
    const settled = look
      .catch(() => {})
      .finally(() => {
        if (this.#looks.get(id) === settled) this.#looks.delete(id)
      })
    this.#looks.set(id, settled)
    return look
  }

  /** The next list brings what was missed. */
  #notSeen(id: string, error: unknown): void {
    if (!this.#closed && !isUnavailable(error))
      this.#options.logger.warn({ container: id, err: error }, 'a container could not be inspected')
  }

  async #lookNow(id: string): Promise<void> {
    if (this.#closed) return
    let inspected: InspectedContainer
    try {
      inspected = await this.#options.engine.call({ method: 'GET', path: `/containers/${id}/json` })
    } catch (error) {
      if (!hasStatus(error, 404)) throw error
      for (const podUid of this.#sandboxes.keys()) this.#forget(podUid, id)
      return
    }
    const labelled = readLabels(inspected.Config.Labels ?? {})
    const sandbox = labelled === undefined ? undefined : this.#sandboxes.get(labelled.podUid)
    if (labelled === undefined || sandbox === undefined) return
    if (labelled.container === undefined) return this.#lookAtSandbox(sandbox, inspected)
    if (isUnstarted(inspected)) {
      if (!this.#starting.has(inspected.Name.slice(1))) await this.#remove(id)
      return
    }
    const { podUid } = labelled
    const before = sandbox.containers.get(id)?.state
    // Ended for good. One that somebody else has started again is no attempt of the pod's.
    if (before?.phase === 'exited') return inspected.State.Running ? this.#kill(id, 'SIGKILL') : undefined
    let state = containerState(inspected, podUid, labelled.container)
    if (state.phase === 'exited') {
      const message = await endedMessage(
        this.#options.engine,
        sandbox.config.directory,
        state,
        labelled.container.messagePolicy,
        inspected.Config.Tty,
      )
      if (message !== '') state = { ...state, message }
    }
    if (this.#sandboxes.get(podUid) !== sandbox) return
    const { Tty: tty, OpenStdin: stdin, StdinOnce: stdinOnce, StopSignal } = inspected.Config
    const stopSignal = StopSignal === undefined || StopSignal === '' ? 'SIGTERM' : StopSignal
    sandbox.containers.set(id, { state, tty, stdin, stdinOnce, stopSignal, pid: inspected.State.Pid })
    if (state.phase === 'exited') this.#tellEnd(id)
    if (before?.phase !== state.phase) this.#tell(podUid)
  }

  /** Containers whose sandbox is gone have no network any more: they are ended, and their pod starts them again. */
  async #lookAtSandbox({ config, containers }: Sandbox, { State }: InspectedContainer): Promise<void> {
    if (State.Running || State.Status === 'created') return
    const alive = [...containers.values()].filter(({ state }) => state.phase === 'running')
    if (alive.length === 0) return
    this.#options.logger.warn({ podUid: config.podUid }, 'the sandbox of a pod has ended; its containers end with it')
    await Promise.all(alive.map(({ state }) => this.#kill(state.id, 'SIGKILL')))
  }

  #forget(podUid: string, id: string): void {
    if (this.#sandboxes.get(podUid)?.containers.delete(id) !== true) return
    this.#tellEnd(id)
    this.#tell(podUid)
  }

  #tell(podUid: string): void {
    for (const handler of this.#handlers) handler(podUid)
  }

  /** What lies here of pods; resolves once what was broken off is gone. */
  async #loadSandboxes(): Promise<void> {
    const broken: string[] = []
    for (const podUid of readdirSync(this.#options.directory)) {
      const config = readJson<SandboxConfig>(join(this.#options.directory, podUid, 'sandbox.json'))
      if (config !== undefined) this.#sandboxes.set(podUid, { config, containers: new Map(), last: Promise.resolve() })
      else broken.push(podUid)
    }
    for (const podUid of broken) await removeTree(join(this.#options.directory, podUid)).catch(() => {})
  }
}

function sandboxState({ config, containers }: Sandbox): SandboxState {
  const { podUid, podName, podNamespace, ip } = config
  return { podUid, podName, podNamespace, ip, containers: [...containers.values()].map(({ state }) => state) }
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch {
    return undefined
  }
}
