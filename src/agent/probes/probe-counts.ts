import type { MetricFamily, MetricSample } from '../../base/metric-families.ts'
import type { ProbeKind } from './probe-state.ts'

/** Whose probe it was. */
export interface ProbedContainer {
  readonly podUid: string
  readonly pod: string
  readonly namespace: string
  readonly container: string
}

interface Line {
  readonly labels: Readonly<Record<string, string>>
  value: number
}

const TYPE: Readonly<Record<ProbeKind, string>> = { startup: 'Startup', readiness: 'Readiness', liveness: 'Liveness' }

/** How often the probes of this node's containers succeeded and failed. A pod's lines go when its probing ends. */
export class ProbeCounts {
  readonly #pods = new Map<string, Map<string, Line>>()

  add({ podUid, pod, namespace, container }: ProbedContainer, kind: ProbeKind, ok: boolean): void {
    let lines = this.#pods.get(podUid)
    if (lines === undefined) {
      lines = new Map()
      this.#pods.set(podUid, lines)
    }
    const result = ok ? 'successful' : 'failed'
    const key = `${container}/${kind}/${result}`
    const line = lines.get(key)
    if (line !== undefined) line.value += 1
    else {
      const labels = { container, namespace, pod, pod_uid: podUid, probe_type: TYPE[kind], result }
      lines.set(key, { labels, value: 1 })
    }
  }

  forget(podUid: string): void {
    this.#pods.delete(podUid)
  }

  families(): readonly MetricFamily[] {
    const lines = [...this.#pods.values()].flatMap((pod) => [...pod.values()])
    const samples = (): readonly MetricSample[] => lines
    return [
      {
        name: 'prober_probe_total',
        type: 'counter',
        help: 'Cumulative number of a liveness, readiness or startup probe for a container by result.',
        samples,
      },
    ]
  }
}
