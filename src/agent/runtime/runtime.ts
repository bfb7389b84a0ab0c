import type { Readable, Writable } from 'node:stream'

/**
 * What the agent asks of a container runtime: pod sandboxes and containers, shaped like CRI so that Docker and a
 * daemonless OCI runtime fit beside `process`. Every call is idempotent and says what it found; a runtime keeps enough
 * on disk or in labels that a restarted agent finds everything again with `list`.
 */
export interface Runtime {
  /** `process`, `docker`, …; shown in the node's status as `<name>://<version>`. */
  readonly name: string
  readonly version: string
  /** Brings images to this machine; a runtime without runs what is on the host. */
  readonly images?: ImageService
  /** Why nothing can be started or ended at the moment, in a sentence; undefined while all is well. Absent: always. */
  problem?(): string | undefined
  /** Calls when `problem` changed. Returns the way to stop. */
  onProblem?(handler: () => void): () => void
  /** Why this container cannot run here (`no command`, …), in a sentence for the user; undefined when it can. */
  refusal(container: ContainerConfig): string | undefined
  createSandbox(config: SandboxConfig): Promise<void>
  /** Ends every container of the pod at once and forgets the sandbox, its directories and logs. */
  removeSandbox(podUid: string): Promise<void>
  /** Starts one attempt of a container and resolves once it runs (or rejects with RuntimeError). */
  startContainer(config: ContainerConfig): Promise<ContainerState>
  /** Sends the stop signal, waits at most `graceMs`, then kills the whole group; resolves when it is gone. */
  stopContainer(id: string, graceMs: number): Promise<void>
  removeContainer(id: string): Promise<void>
  /** Runs a command beside the container (exec probe, hook) with its environment; output is capped at 16 KiB. */
  exec(id: string, command: readonly string[], timeoutMs: number): Promise<ExecResult>
  /**
   * Runs a command beside the container with its streams in the caller's hands. A program that is not there is no
   * error but a session that says so and ends with 127 (126: there, but no program; some engines say 126 for both). Rejects with RuntimeError when the
   * container does not run.
   */
  openExec(id: string, command: readonly string[], options: ExecOptions): Promise<ContainerSession>
  /** Joins the container's own input and output from now on. Rejects with RuntimeError when it does not run. */
  attach(id: string, options: ExecOptions): Promise<ContainerSession>
  /** Ends what holds the pods' namespaces, when no container runs any more; it comes back with the next container. */
  stopSandboxes?(): Promise<void>
  /** Everything this runtime runs or remembers for this node, also from before a restart. */
  list(): Promise<readonly SandboxState[]>
  /** One pod of `list`; undefined when there is no sandbox for it. */
  get(podUid: string): Promise<SandboxState | undefined>
  /** Called when a container's state changed outside a call (it exited). Returns the way to stop. */
  onChange(handler: (podUid: string) => void): () => void
  /** The log file set of one container attempt, for `kubectl logs`; see `logs.ts`. */
  logs(id: string, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** Lets go of watchers and timers; containers keep running. */
  close(): Promise<void>
}

export interface SandboxConfig {
  readonly podUid: string
  readonly podName: string
  readonly podNamespace: string
  readonly hostname: string
  /** The pod's address, allocated by the agent. */
  readonly ip: string
  /** Absolute directory that belongs to this pod (volumes, container roots). */
  readonly directory: string
  /** What only a runtime with namespaces can give; a runtime without passes it over. */
  readonly namespaces?: SandboxNamespaces
}

export interface SandboxNamespaces {
  /** The machine's own in place of the pod's. */
  readonly hostNetwork: boolean
  readonly hostPid: boolean
  readonly hostIpc: boolean
  /** All containers of the pod see each other's processes. */
  readonly shareProcesses: boolean
  /** In place of the machine's resolver; undefined leaves it. */
  readonly dns?: {
    readonly servers: readonly string[]
    readonly searches: readonly string[]
    readonly options: readonly string[]
  }
  readonly hostAliases: readonly { readonly ip: string; readonly hostnames: readonly string[] }[]
  readonly hostPorts: readonly HostPort[]
  readonly sysctls: Readonly<Record<string, string>>
  /** Volumes by name that are to stand in memory for as long as the sandbox does, with their size if it is bounded. */
  readonly memoryVolumes: Readonly<Record<string, { readonly sizeBytes?: number }>>
}

export interface HostPort {
  readonly containerPort: number
  readonly hostPort: number
  readonly hostIp: string
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
}

export interface ImageRequest {
  /** As the container names it. */
  readonly image: string
  readonly policy: 'Always' | 'IfNotPresent' | 'Never'
  /** Contents of the pod's image pull secrets of either type, in order. */
  readonly pullSecrets: readonly PullSecret[]
  /** Tells an event about the container. */
  say(type: 'Normal' | 'Warning', reason: string, message: string): void
}

export interface PullSecret {
  /** `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg`. */
  readonly type: string
  /** Decoded content of the one key such a secret has. */
  readonly content: string
}

export interface ImageService {
  /** Resolves once the image is here by its policy. Rejects with RuntimeError: ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName. */
  ensure(request: ImageRequest): Promise<void>
  /** What lies here, the largest first, as the node's status shows it. */
  list(): Promise<readonly { readonly names: string[]; readonly sizeBytes: number }[]>
}

export interface Mount {
  /** Absolute source on the host. */
  readonly source: string
  /** `mountPath` (joined with nothing): where the container expects it. */
  readonly target: string
  readonly readOnly: boolean
}

/** The container's security context over the pod's. Absent means not asked for; a runtime enforces or refuses the rest. */
export interface EffectiveSecurityContext {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly runAsNonRoot?: boolean
  readonly supplementalGroups?: readonly number[]
  readonly fsGroup?: number
  readonly readOnlyRootFilesystem?: boolean
  readonly privileged?: boolean
  readonly allowPrivilegeEscalation?: boolean
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] }
  readonly seccompProfile?: string
  readonly appArmorProfile?: string
  readonly procMount?: string
  readonly seLinux?: boolean
  readonly sysctls?: readonly string[]
  readonly hostUsers?: boolean
}

export interface ContainerConfig {
  readonly podUid: string
  readonly name: string
  /** 0 for the first run, then one more for every restart. */
  readonly attempt: number
  readonly kind: 'init' | 'sidecar' | 'main'
  readonly image: string
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly workingDir: string | undefined
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly mounts: readonly Mount[]
  readonly stopSignal: string | undefined
  /** It has an input that clients may attach to; without, it reads nothing. */
  readonly stdin: boolean
  /** That input ends when the first client who attached to it ends or goes. */
  readonly stdinOnce: boolean
  /** It runs in a terminal. */
  readonly tty: boolean
  readonly terminationMessagePath: string
  readonly terminationMessagePolicy: 'File' | 'FallbackToLogsOnError'
  readonly securityContext: EffectiveSecurityContext
  readonly resources: ContainerResources
}

export interface ContainerResources {
  readonly cpuMilliRequest?: number
  readonly cpuMilliLimit?: number
  readonly memoryBytesLimit?: number
  /** -1000 to 1000: the higher, the sooner the kernel ends it when memory runs short. */
  readonly oomScoreAdj?: number
}

export interface ContainerState {
  /** `<runtime>://…` id as shown in the pod's status, without the scheme. */
  readonly id: string
  readonly podUid: string
  readonly name: string
  readonly attempt: number
  /** What it was started from; undefined when nobody remembers. */
  readonly image?: string
  /** The very image, by digest. */
  readonly imageId?: string
  readonly phase: 'created' | 'running' | 'exited'
  readonly startedAtMs: number
  readonly finishedAtMs?: number
  readonly exitCode?: number
  readonly signal?: number
  /** `Completed`, `Error`, `OOMKilled`, `ContainerCannotRun`, … */
  readonly reason?: string
  readonly message?: string
}

export interface SandboxState {
  readonly podUid: string
  readonly podName: string
  readonly podNamespace: string
  readonly ip: string
  readonly containers: readonly ContainerState[]
}

export interface ExecResult {
  readonly exitCode: number
  readonly output: string
  readonly timedOut: boolean
}

/** In characters. */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

export interface ExecOptions {
  readonly stdin: boolean
  readonly tty: boolean
  /** The terminal's size at the beginning, when it is known. */
  readonly size?: TerminalSize
}

/** A program with its streams: a command that was run beside a container, or the container itself. */
export interface ContainerSession {
  /** To end it ends the program's input. Undefined when it was not asked for or the program has none. */
  readonly stdin: Writable | undefined
  /** Ends after the program's end, when all that it wrote has been read. */
  readonly stdout: Readable
  /** Undefined in a terminal, where all output is one. */
  readonly stderr: Readable | undefined
  /** Resolves with the exit code, 128 + n for signal n. Never rejects. */
  readonly exited: Promise<number>
  /** Sets the size of the terminal, if there is one. */
  resize(size: TerminalSize): void
  /** The client is gone: a command is told to end, a container goes on. */
  close(): void
}

export interface LogOptions {
  readonly follow: boolean
  readonly tailLines?: number
  readonly sinceMs?: number
  readonly timestamps: boolean
  readonly limitBytes?: number
}

/** A runtime's refusal or failure, with the reason that shows in the container's waiting state. */
export class RuntimeError extends Error {
  readonly reason: string

  constructor(reason: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'RuntimeError'
    this.reason = reason
  }
}
