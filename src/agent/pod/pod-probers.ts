import type { Pod } from '../../api/types/core-v1.gen.ts'
import { ContainerProber } from '../probes/container-prober.ts'
import { runProbe } from '../probes/run-probe.ts'
import type { ContainerState } from '../runtime/runtime.ts'
import { type PodContainer, podContainers } from './pod-containers.ts'
import type { Busy, ProbeSummary } from './pod-memory.ts'
import type { WorkerContext } from './worker-context.ts'

export interface PodProbersEvents {
  /** A summary may have changed. */
  onChange(): void
  onUnhealthy(container: PodContainer, message: string): void
}

/** The probers of a pod: one for each running attempt whose start is over. */
export class PodProbers {
  readonly #context: WorkerContext
  readonly #events: PodProbersEvents
  readonly #probers = new Map<string, ContainerProber>()
  #onlyReadiness = false

  constructor(context: WorkerContext, events: PodProbersEvents) {
    this.#context = context
    this.#events = events
  }

  /** Ends the probers of what ended and begins those of what runs. */
  keep(pod: Pod, states: readonly ContainerState[], busy: ReadonlyMap<string, Busy>, podIp: string): void {
    const containers = new Map(podContainers(pod).map((container) => [container.name, container]))
    for (const state of states) {
      const container = containers.get(state.name)
      const present = this.#probers.get(state.name)
      if (present?.attempt === state.attempt && state.phase === 'exited') {
        present.close()
        this.#probers.delete(state.name)
      }
      if (container === undefined || container.kind === 'init' || state.phase !== 'running') continue
      if (present?.attempt === state.attempt || busy.has(state.name)) continue
      present?.close()
      this.#probers.set(state.name, this.#begin(pod, container, state, podIp))
    }
  }

  summaries(): ReadonlyMap<string, ProbeSummary> {
    return new Map([...this.#probers].map(([name, prober]) => [name, prober.summary()]))
  }

  /** The pod is ending: nothing restarts its containers any more, but their readiness is still told. */
  keepReadinessOnly(): void {
    this.#onlyReadiness = true
    for (const prober of this.#probers.values()) prober.keepReadinessOnly()
  }

  close(): void {
    for (const prober of this.#probers.values()) prober.close()
    this.#probers.clear()
  }

  #begin(pod: Pod, container: PodContainer, state: ContainerState, podIp: string): ContainerProber {
    const { clock, random, runtime, targets, probeCounts } = this.#context
    const { uid: podUid = '', name = '', namespace = '' } = pod.metadata ?? {}
    const probed = { podUid, pod: name, namespace, container: container.name }
    const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
    const before = statuses.find((s) => s.name === container.name && s.containerID?.endsWith(state.id) === true)
    const context = { runtime, targets, container: container.spec, containerId: state.id, podIp }
    const prober = new ContainerProber({
      container: container.spec,
      attempt: state.attempt,
      startedAtMs: state.startedAtMs,
      ...(before === undefined ? {} : { adopted: { started: before.started === true, ready: before.ready } }),
      clock,
      random,
      run: (probe) => runProbe(probe, context),
      onResult: (kind, ok) => probeCounts.add(probed, kind, ok),
      onChange: () => this.#events.onChange(),
      onUnhealthy: (kind, output) => {
        const name = kind.slice(0, 1).toUpperCase() + kind.slice(1)
        this.#events.onUnhealthy(container, `${name} probe failed: ${output}`)
      },
    })
    if (this.#onlyReadiness) prober.keepReadinessOnly()
    return prober
  }
}
