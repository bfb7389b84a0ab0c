import { DurationHistogram } from '../../base/duration-histogram.ts'
import type { MetricFamily, MetricSample } from '../../base/metric-families.ts'

/** Methods of a runtime that are counted, by the kubelet's names of what they do. */
export const RUNTIME_OPERATIONS = {
  createSandbox: 'run_podsandbox',
  removeSandbox: 'remove_podsandbox',
  startContainer: 'start_container',
  stopContainer: 'stop_container',
  removeContainer: 'remove_container',
  exec: 'exec_sync',
  openExec: 'exec',
  attach: 'attach',
  list: 'list_podsandbox',
  get: 'podsandbox_status',
} as const
export type CountedMethod = keyof typeof RUNTIME_OPERATIONS

/** The kubelet's own buckets, in seconds. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300]
const DURATION = 'kubelet_runtime_operations_duration_seconds'

interface Counted {
  readonly durations: DurationHistogram
  total: number
  errors: number
}

/** What was asked of a node's runtime, under the kubelet's names. */
export class RuntimeCounts {
  readonly #counted = new Map<CountedMethod, Counted>()

  record(method: CountedMethod, durationMs: number, failed: boolean): void {
    let counted = this.#counted.get(method)
    if (counted === undefined) {
      counted = { durations: new DurationHistogram(BOUNDS), total: 0, errors: 0 }
      this.#counted.set(method, counted)
    }
    counted.total += 1
    if (failed) counted.errors += 1
    counted.durations.observe(durationMs / 1_000)
  }

  families(): readonly MetricFamily[] {
    const each = (
      read: (counted: Counted, labels: { readonly operation_type: string }) => readonly MetricSample[],
    ): readonly MetricSample[] =>
      [...this.#counted].flatMap(([method, counted]) => read(counted, { operation_type: RUNTIME_OPERATIONS[method] }))
    const succeeded = (method: CountedMethod): readonly MetricSample[] => {
      const { total = 0, errors = 0 } = this.#counted.get(method) ?? {}
      return [{ value: total - errors }]
    }
    return [
      {
        name: 'kubelet_runtime_operations_total',
        type: 'counter',
        help: 'Cumulative number of runtime operations by operation type.',
        samples: () => each(({ total }, labels) => [{ labels, value: total }]),
      },
      {
        name: 'kubelet_runtime_operations_errors_total',
        type: 'counter',
        help: 'Cumulative number of runtime operation errors by operation type.',
        samples: () => each(({ errors }, labels) => [{ labels, value: errors }]),
      },
      {
        name: DURATION,
        type: 'histogram',
        help: 'Duration in seconds of runtime operations. Broken down by operation type.',
        samples: () => each(({ durations }, labels) => durations.samples(DURATION, labels)),
      },
      {
        name: 'kubelet_started_pods_total',
        type: 'counter',
        help: 'Cumulative number of pods started',
        samples: () => succeeded('createSandbox'),
      },
      {
        name: 'kubelet_started_containers_total',
        type: 'counter',
        help: 'Cumulative number of containers started',
        samples: () => succeeded('startContainer'),
      },
    ]
  }
}
