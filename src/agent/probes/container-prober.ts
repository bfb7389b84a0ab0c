import type { Container, Probe } from '../../api/types/core-v1.gen.ts'
import type { Clock, Millis, Timer } from '../../base/clock.ts'
import type { ProbeSummary } from '../pod/pod-memory.ts'
import type { ProbeResult } from './probe-result.ts'
import { afterRun, firstTimes, nextRunMs, type ProbeTimes } from './probe-schedule.ts'
import { afterResult, initialProbeState, type ProbeKind, type ProbeState } from './probe-state.ts'

export interface ContainerProberOptions {
  readonly container: Container
  readonly attempt: number
  readonly startedAtMs: Millis
  /** What an adopted container was before the agent's restart; a readiness it had is not taken away by looking anew. */
  readonly adopted?: { readonly started: boolean; readonly ready: boolean }
  readonly clock: Clock
  readonly random: () => number
  run(probe: Probe): Promise<ProbeResult>
  /** A run has ended, whether it counts or not. */
  onResult(kind: ProbeKind, ok: boolean): void
  /** The summary may have changed. */
  onChange(): void
  /** A run that counts has failed: the words of the Unhealthy event. */
  onUnhealthy(kind: ProbeKind, output: string): void
}

interface Worker {
  readonly kind: ProbeKind
  readonly probe: Probe
  state: ProbeState
  times: ProbeTimes
  /** It has succeeded at least once, or did before the agent's restart. */
  hasSucceeded: boolean
  timer: Timer | undefined
}

/** The probes of one attempt of a container: the startup probe first, then liveness and readiness together. */
export class ContainerProber {
  readonly attempt: number
  readonly #options: ContainerProberOptions
  readonly #workers = new Map<ProbeKind, Worker>()
  #started: boolean
  #failed: ProbeSummary['failed']
  #onlyReadiness = false
  #closed = false

  constructor(options: ContainerProberOptions) {
    this.attempt = options.attempt
    this.#options = options
    const { startupProbe } = options.container
    this.#started = startupProbe === undefined || options.adopted?.started === true
    if (this.#started) this.#beginOthers()
    else this.#begin('startup', startupProbe!)
  }

  summary(): ProbeSummary {
    const readiness = this.#workers.get('readiness')
    const isReady = this.#options.container.readinessProbe === undefined || readiness?.state.verdict === 'success'
    const summary = { attempt: this.attempt, started: this.#started, ready: this.#started && isReady }
    return this.#failed === undefined ? summary : { ...summary, failed: this.#failed }
  }

  /** The pod is ending: nothing restarts it any more, but its readiness is still told. */
  keepReadinessOnly(): void {
    if (this.#onlyReadiness) return
    this.#onlyReadiness = true
    for (const [kind, worker] of this.#workers) {
      if (kind === 'readiness') continue
      worker.timer?.cancel()
      this.#workers.delete(kind)
    }
  }

  close(): void {
    this.#closed = true
    for (const { timer } of this.#workers.values()) timer?.cancel()
  }

  #beginOthers(): void {
    const { livenessProbe, readinessProbe } = this.#options.container
    if (readinessProbe !== undefined) this.#begin('readiness', readinessProbe)
    if (livenessProbe !== undefined && !this.#onlyReadiness) this.#begin('liveness', livenessProbe)
  }

  #begin(kind: ProbeKind, probe: Probe): void {
    const { adopted, clock, startedAtMs, random } = this.#options
    const wasReady = kind === 'readiness' && adopted?.ready === true
    const state = initialProbeState(kind)
    const wantsExtra = kind !== 'liveness' && !wasReady
    const since =
      adopted === undefined ? startedAtMs : Math.max(startedAtMs, clock.now() - (probe.initialDelaySeconds ?? 0) * 1000)
    const worker: Worker = {
      kind,
      probe,
      state: wasReady ? { ...state, verdict: 'success' } : state,
      times: firstTimes(probe, since, wantsExtra, random()),
      hasSucceeded: wasReady,
      timer: undefined,
    }
    this.#workers.set(kind, worker)
    this.#schedule(worker)
  }

  #schedule(worker: Worker): void {
    const { clock } = this.#options
    const delay = Math.max(0, nextRunMs(worker.times) - clock.now())
    worker.timer = clock.setTimer(delay, () => void this.#run(worker))
  }

  async #run(worker: Worker): Promise<void> {
    const { clock, run } = this.#options
    const counts = worker.times.nextRegularMs <= clock.now()
    const result = await run(worker.probe)
    if (this.#closed || this.#workers.get(worker.kind) !== worker) return
    if (result.isUnknown === true) {
      worker.times = afterRun(worker.times, worker.probe, clock.now(), false)
      return this.#schedule(worker)
    }
    this.#options.onResult(worker.kind, result.ok)
    const before = worker.state.verdict
    if (result.ok || counts) worker.state = afterResult(worker.state, result.ok, worker.probe)
    if (!result.ok && counts) this.#options.onUnhealthy(worker.kind, result.output)
    if (result.ok) worker.hasSucceeded = true
    const isOpen = worker.kind !== 'liveness' && !worker.hasSucceeded
    worker.times = afterRun(worker.times, worker.probe, clock.now(), isOpen)
    if (worker.state.verdict !== before) this.#changed(worker)
    if (this.#workers.get(worker.kind) === worker && this.#failed === undefined) this.#schedule(worker)
  }

  #changed({ kind, probe, state }: Worker): void {
    if (kind === 'startup' && state.verdict === 'success') {
      this.#started = true
      this.#workers.delete('startup')
      this.#beginOthers()
    } else if (kind !== 'readiness' && state.verdict === 'failure') {
      const seconds = probe.terminationGracePeriodSeconds
      this.#failed = { probe: kind, ...(seconds === undefined ? {} : { graceMs: seconds * 1000 }) }
    }
    this.#options.onChange()
  }
}
