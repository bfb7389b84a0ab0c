import { PODS } from '../../api/resource-type.ts'
import { isReason } from '../../api/status-error.ts'
import type { Pod, PodStatus } from '../../api/types/core-v1.gen.ts'
import type { Millis, Timer } from '../../base/clock.ts'
import { lastOutput } from '../runtime/last-output.ts'
import { type ContainerState, RuntimeError, type SandboxState } from '../runtime/runtime.ts'
import { waitForDrain } from './drain.ts'
import { type PodPlan, planPod } from './plan-pod.ts'
import type { PodAction, PodNotice } from './pod-action.ts'
import { containerFieldPath, type PodContainer, podContainers, podFullName } from './pod-containers.ts'
import { type Busy, type Failure, type PodMemory, type PodStep, retryDelay } from './pod-memory.ts'
import { PodProbers } from './pod-probers.ts'
import { mayHaveMissedPort, portInUseMessage } from './port-in-use.ts'
import { runHook } from './run-hook.ts'
import { sandboxConfig } from './sandbox-config.ts'
import { startContainer } from './start-container.ts'
import { overlayStatus } from './status-diff.ts'
import { StatusWriter } from './status-writer.ts'
import { VolumeLimits } from './volume-limits.ts'
import type { WorkerContext } from './worker-context.ts'

/** Failures whose words the image's own events have told already. */
const IMAGE_REASONS: ReadonlySet<string> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
])

/** What the stop signal gets at least after a preStop hook, however long that took. */
const LEAST_STOP_MS = 2_000

/** What downwardAPI volumes can show of a pod and may change in its life. */
function shownInVolumes({ metadata, spec }: Pod): string {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  return JSON.stringify([metadata?.labels, metadata?.annotations, containers.map(({ resources }) => resources)])
}

/**
 * Looks after one pod: plans whenever something changed, shows the status, and carries out what the plan says. Plans
 * come one after another; what they begin runs beside them and is remembered as busy until it is over.
 */
export class PodWorker {
  readonly #context: WorkerContext
  readonly #writer: StatusWriter
  #pod: Pod
  #observed: SandboxState | undefined
  #ownStatus: PodStatus | undefined
  #ip: string | undefined
  #volumePaths: ReadonlyMap<string, string> | undefined
  readonly #busy = new Map<string, Busy>()
  readonly #failures = new Map<string, Failure & { readonly count: number }>()
  readonly #crashDelays = new Map<string, Millis>()
  readonly #probers: PodProbers
  readonly #said = new Set<string>()
  readonly #ended = new Set<string>()
  /** Cuts hooks and waits short when less grace is left than was promised. */
  readonly #stops = new Map<string, AbortController>()
  readonly #abort = new AbortController()
  readonly #limits: VolumeLimits
  #evicted: string | undefined
  #gone = false
  #drained = false
  #endingSinceMs: Millis | undefined
  #planning = false
  #again = false
  #timer: Timer | undefined
  #finished = false
  #closed = false

  /** `observed` is what the runtime already has of this pod, from before the agent's restart. */
  constructor(pod: Pod, observed: SandboxState | undefined, context: WorkerContext) {
    this.#pod = pod
    this.#context = context
    this.#writer = new StatusWriter(pod, context)
    this.#probers = new PodProbers(context, {
      onChange: () => this.wake(),
      onUnhealthy: (container, message) => this.#say(container, 'Warning', 'Unhealthy', message),
    })
    this.#limits = new VolumeLimits(context.clock, context.volumes, (message) => this.#evict(message))
    if (pod.spec?.hostNetwork === true) this.#ip = context.hostIp
    else if (observed !== undefined && !this.#isTerminal()) {
      this.#ip = observed.ip
      context.addresses.reserve(observed.ip)
    }
    // How containers ended that ended before this agent's time is not news.
    for (const state of observed?.containers ?? []) if (state.phase === 'exited') this.#ended.add(state.id)
  }

  get pod(): Pod {
    return this.#pod
  }

  /** True once nothing of the pod is left on this node. */
  get isFinished(): boolean {
    return this.#finished
  }

  /** The latest state of one container's attempts, newest first. */
  async attempts(container: string): Promise<readonly ContainerState[]> {
    const sandbox = await this.#context.runtime.get(this.#pod.metadata?.uid ?? '')
    const own = (sandbox?.containers ?? []).filter((state) => state.name === container)
    return own.sort((a, b) => b.attempt - a.attempt)
  }

  update(pod: Pod): void {
    const showsOther = shownInVolumes(this.#pod) !== shownInVolumes(pod)
    this.#pod = pod
    this.#writer.seen(pod)
    if (showsOther && this.#volumePaths !== undefined)
      this.#background(() => this.#context.volumes.refresh(pod, this.#volumeContext()))
    this.wake()
  }

  /** The object is gone from the API. */
  remove(): void {
    this.#gone = true
    this.wake()
  }

  /** Plans soon. */
  wake(): void {
    if (this.#closed || this.#finished) return
    if (this.#planning) this.#again = true
    else {
      this.#planning = true
      this.#background(() => this.#loop())
    }
  }

  /** Lets go of the pod; its containers keep running. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#abort.abort()
    this.#probers.close()
    this.#limits.close()
    this.#writer.close()
  }

  async #loop(): Promise<void> {
    try {
      do {
        this.#again = false
        this.#observed = await this.#context.runtime.get(this.#pod.metadata?.uid ?? '')
        if (this.#closed || this.#finished) return
        this.#noticeEnds()
        this.#probers.keep(this.#pod, this.#observed?.containers ?? [], this.#busy, this.#ip ?? '')
        const plan = this.#plan()
        this.#ownStatus = plan.status
        if (!this.#gone) this.#writer.write(plan.status)
        for (const notice of plan.notices) this.#notice(notice)
        for (const action of plan.actions) this.#begin(action)
        this.#watchTime(plan.recheckAtMs)
      } while (this.#again)
    } finally {
      this.#planning = false
    }
  }

  #plan(): PodPlan {
    const { clock, hostIp, runtime } = this.#context
    const pod = { ...this.#pod, status: overlayStatus(this.#pod.status, this.#ownStatus) }
    const memory: PodMemory = {
      runtimeName: runtime.name,
      hostIp,
      ip: this.#ip,
      volumesReady: this.#volumePaths !== undefined,
      busy: this.#busy,
      failures: this.#failures,
      crashDelays: this.#crashDelays,
      probes: this.#probers.summaries(),
      gone: this.#gone,
      evicted: this.#evicted,
      endingSinceMs: this.#endingSinceMs,
      drained: this.#drained,
    }
    const plan = planPod(pod, this.#observed, memory, clock.now())
    if (plan.ending !== undefined) {
      this.#endingSinceMs ??= clock.now()
      this.#probers.keepReadinessOnly()
      this.#limits.close()
    }
    return plan
  }

  #watchTime(at: Millis | undefined): void {
    this.#timer?.cancel()
    const { clock } = this.#context
    // A step longer than timers can count is taken in parts.
    if (at !== undefined)
      this.#timer = clock.setTimer(Math.min(Math.max(0, at - clock.now()), 2 ** 30), () => this.wake())
  }

  #begin(action: PodAction): void {
    switch (action.kind) {
      case 'createSandbox':
        this.#step('#sandbox', 'FailedCreatePodSandBox', 'Failed to create pod sandbox: ', () => this.#createSandbox())
        break
      case 'prepareVolumes':
        this.#step('#volumes', 'FailedMount', '', async () => {
          this.#volumePaths = await this.#context.volumes.prepare(this.#pod, this.#volumeContext())
          this.#limits.watch(this.#pod, this.#volumeContext())
        })
        break
      case 'startContainer':
        if (action.crashDelayMs !== undefined) this.#crashDelays.set(action.container.name, action.crashDelayMs)
        this.#occupy(action.container.name, { kind: 'start' }, () => this.#start(action.container, action.attempt))
        break
      case 'stopContainer':
        this.#stop(action)
        break
      case 'removeContainer':
        this.#background(() => this.#context.runtime.removeContainer(action.id))
        break
      case 'drain':
        this.#occupy('#drain', { kind: 'work' }, () => this.#drain(action.limitMs))
        break
      case 'release':
        this.#releaseAddress()
        // A pod that is over needs its volumes no more than one that is gone.
        this.#background(() => this.#context.volumes.cleanup(this.#pod.metadata?.uid ?? ''))
        break
      case 'finish':
        this.#step('#finish', 'FailedKillPod', 'error killing pod: ', () => this.#finish(action.deleteObject))
        break
    }
  }

  /** Runs something beside the plans; when it is over, the next plan comes. */
  #occupy(key: string, busy: Busy, work: () => Promise<void>): void {
    this.#busy.set(key, busy)
    this.#background(async () => {
      try {
        await work()
      } finally {
        if (this.#busy.get(key) === busy) this.#busy.delete(key)
        this.wake()
      }
    })
  }

  /** A step of the pod as a whole that is tried again when it fails, and says why. */
  #step(key: PodStep, reason: string, prefix: string, work: () => Promise<void>): void {
    this.#occupy(key, { kind: 'work' }, async () => {
      try {
        await work()
        this.#failures.delete(key)
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        this.#fail(key, reason, message)
        if (!this.#gone) this.#say(undefined, 'Warning', reason, `${prefix}${message}`)
      }
    })
  }

  #fail(key: string, reason: string, message: string): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1
    this.#failures.set(key, { reason, message, count, retryAtMs: this.#context.clock.now() + retryDelay(count) })
  }

  #background(work: () => Promise<unknown>): void {
    work().catch((error: unknown) => {
      if (!this.#closed) this.#context.logger.warn({ pod: podFullName(this.#pod), err: error }, 'work for a pod failed')
    })
  }

  async #createSandbox(): Promise<void> {
    const { addresses, runtime, podDirectory, hostPortIps: hostIps } = this.#context
    this.#ip ??= addresses.allocate()
    const directory = podDirectory(this.#pod.metadata?.uid ?? '')
    await runtime.createSandbox(sandboxConfig(this.#pod, { ip: this.#ip, directory, hostIps }))
  }

  #releaseAddress(): void {
    if (this.#ip !== undefined && this.#pod.spec?.hostNetwork !== true) this.#context.addresses.release(this.#ip)
    this.#ip = undefined
  }

  #volumeContext(): { readonly podDirectory: string; readonly podIp: string; readonly hostIp: string } {
    const podDirectory = this.#context.podDirectory(this.#pod.metadata?.uid ?? '')
    return { podDirectory, podIp: this.#ip ?? this.#observed?.ip ?? '', hostIp: this.#context.hostIp }
  }

  async #start(container: PodContainer, attempt: number): Promise<void> {
    const say = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
      this.#say(container, type, reason, message)
    const { pod } = this
    const podIp = this.#ip ?? ''
    try {
      const request = { pod, podIp, container, attempt, volumePaths: this.#volumePaths ?? new Map(), say }
      const state = await startContainer(request, this.#context)
      this.#failures.delete(container.name)
      const { postStart } = container.spec.lifecycle ?? {}
      if (postStart === undefined) return
      this.wake()
      const failure = await runHook(postStart, this.#hookContext(container, state.id, 2 ** 30, this.#abort.signal))
      if (failure === undefined || this.#busyStop(container.name)) return
      say('Warning', 'FailedPostStartHook', failure)
      say('Normal', 'Killing', 'FailedPostStartHook')
      await this.#context.runtime.stopContainer(state.id, this.#ownGraceMs())
    } catch (error) {
      const failure = error instanceof RuntimeError ? error : new RuntimeError('CreateContainerError', String(error))
      say('Warning', 'Failed', `Error: ${IMAGE_REASONS.has(failure.reason) ? failure.reason : failure.message}`)
      // An attempt that could not be started counts as one that ended; everything else is simply tried again.
      if (failure.reason === 'RunContainerError') this.#failures.delete(container.name)
      else this.#fail(container.name, failure.reason, failure.message)
    }
  }

  #evict(message: string): void {
    this.#evicted = message
    this.#say(undefined, 'Warning', 'Evicted', message)
    this.wake()
  }

  #ownGraceMs(): Millis {
    return (this.#pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000
  }

  #busyStop(name: string): boolean {
    return this.#busy.get(name)?.kind === 'stop'
  }

  #hookContext(
    container: PodContainer,
    containerId: string,
    timeoutMs: Millis,
    signal: AbortSignal,
  ): Parameters<typeof runHook>[1] {
    const { runtime, clock, targets } = this.#context
    return {
      runtime,
      clock,
      targets,
      container: container.spec,
      containerId,
      podIp: this.#ip ?? '',
      podFullName: podFullName(this.#pod),
      timeoutMs,
      signal,
    }
  }

  /** Asked for again with less grace it ends the hook and shortens what the runtime was promised. */
  #stop(action: Extract<PodAction, { kind: 'stopContainer' }>): void {
    const { container, id, graceMs } = action
    const { clock, runtime } = this.#context
    const deadlineMs = clock.now() + graceMs
    const isAgain = this.#busyStop(container.name)
    this.#stops.get(id)?.abort()
    const abort = new AbortController()
    this.#stops.set(id, abort)
    if (!isAgain) this.#say(container, 'Normal', 'Killing', action.why)
    this.#occupy(container.name, { kind: 'stop', deadlineMs }, async () => {
      const { preStop } = container.spec.lifecycle ?? {}
      if (preStop !== undefined && !isAgain && !this.#gone) {
        const aborted = new Promise<undefined>((resolve) =>
          abort.signal.addEventListener('abort', () => resolve(undefined)),
        )
        const hook = runHook(preStop, this.#hookContext(container, id, graceMs, abort.signal))
        const failure = await Promise.race([hook, aborted])
        if (failure !== undefined) this.#say(container, 'Warning', 'FailedPreStopHook', failure)
      }
      const left = deadlineMs - clock.now()
      await runtime.stopContainer(id, preStop === undefined ? left : Math.max(left, LEAST_STOP_MS))
      if (this.#stops.get(id) === abort) this.#stops.delete(id)
    })
  }

  async #drain(limitMs: Millis): Promise<void> {
    const { client, clock, logger } = this.#context
    const namespace = this.#pod.metadata?.namespace ?? ''
    if (this.#ip !== undefined) {
      const began = clock.now()
      const { signal } = this.#abort
      const outcome = await waitForDrain({ client, clock, namespace, address: this.#ip, limitMs, signal })
      logger.debug({ pod: podFullName(this.#pod), outcome, ms: clock.now() - began }, 'endpoint drained')
    }
    this.#drained = true
  }

  /** Status first, then what lies on this machine, and the object last: while it exists, somebody looks after the rest. */
  async #finish(deleteObject: boolean): Promise<void> {
    const { client, runtime, volumes } = this.#context
    const { uid = '', name = '', namespace } = this.#pod.metadata ?? {}
    this.#probers.close()
    this.#context.probeCounts.forget(uid)
    if (deleteObject) await this.#writer.flush()
    await volumes.cleanup(uid)
    await runtime.removeSandbox(uid)
    this.#releaseAddress()
    this.#writer.close()
    if (deleteObject) {
      try {
        await client.delete(PODS, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } })
      } catch (error) {
        // Gone already, or another pod of this name by now.
        if (!isReason(error, 'NotFound') && !isReason(error, 'Conflict')) throw error
      }
    }
    this.#finished = true
    this.#timer?.cancel()
    this.#context.onDone(this.#pod)
  }

  /** Looks once at each attempt that ended: whether it failed for want of its port. */
  #noticeEnds(): void {
    const sharesPorts = this.#context.runtime.name === 'process'
    for (const state of this.#observed?.containers ?? []) {
      if (state.phase !== 'exited' || this.#ended.has(state.id)) continue
      this.#ended.add(state.id)
      const container = podContainers(this.#pod).find(({ name }) => name === state.name)
      if (container === undefined || !sharesPorts || !mayHaveMissedPort(state)) continue
      // Asked now: an ended pod gives its address back.
      const podIp = this.#ip ?? ''
      this.#background(async () => {
        const output = await lastOutput(this.#context.runtime, state.id, 40)
        const message = portInUseMessage(container.name, output, podIp)
        if (message !== undefined) this.#say(container, 'Warning', 'PortInUse', message)
      })
    }
  }

  #notice({ key, container, type, reason, message }: PodNotice): void {
    if (this.#said.has(key)) return
    this.#said.add(key)
    this.#say(container, type, reason, message)
  }

  #say(container: PodContainer | undefined, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const pod = { ...this.#pod, apiVersion: 'v1', kind: 'Pod' }
    const fieldPath = container === undefined ? undefined : containerFieldPath(container)
    this.#context.events.event(pod, type, reason, message, fieldPath)
  }

  #isTerminal(): boolean {
    return this.#pod.status?.phase === 'Succeeded' || this.#pod.status?.phase === 'Failed'
  }
}
