import { DurationHistogram } from '../../base/duration-histogram.ts'
import type { MetricFamily, MetricSample } from '../../base/metric-families.ts'

export const STORE_OPERATIONS = ['get', 'list', 'create', 'update', 'delete'] as const
export type StoreOperation = (typeof STORE_OPERATIONS)[number]

/** kube-apiserver's own buckets, in seconds. */
const BOUNDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
/** Kinds of objects that are told apart; custom resources could be any number. */
const TYPES_MAX = 64
const DURATION = 'etcd_request_duration_seconds'

interface Counted {
  readonly labels: { readonly operation: StoreOperation; readonly type: string }
  readonly durations: DurationHistogram
  requests: number
  errors: number
}

/** What was asked of the store, by operation and kind of object, under kube-apiserver's names, whichever store it is. */
export class StoreMetrics {
  readonly #counted = new Map<string, Counted>()
  readonly #types = new Set<string>()

  /** `key` says the kind: `/registry/pods/…`. */
  record(operation: StoreOperation, key: string, durationMs: number, failed: boolean): void {
    const type = this.#typeOf(key)
    const id = `${operation} ${type}`
    let counted = this.#counted.get(id)
    if (counted === undefined) {
      counted = { labels: { operation, type }, durations: new DurationHistogram(BOUNDS), requests: 0, errors: 0 }
      this.#counted.set(id, counted)
    }
    counted.requests += 1
    if (failed) counted.errors += 1
    counted.durations.observe(durationMs / 1000)
  }

  families(): readonly MetricFamily[] {
    const all = (read: (counted: Counted) => readonly MetricSample[]) => (): readonly MetricSample[] =>
      [...this.#counted.values()].flatMap(read)
    return [
      {
        name: 'etcd_requests_total',
        type: 'counter',
        help: 'Requests to the store by operation and kind of object',
        samples: all(({ labels, requests }) => [{ labels, value: requests }]),
      },
      {
        name: 'etcd_request_errors_total',
        type: 'counter',
        help: 'Requests to the store that failed; a write that lost against another is none',
        samples: all(({ labels, errors }) => (errors === 0 ? [] : [{ labels, value: errors }])),
      },
      {
        name: DURATION,
        type: 'histogram',
        help: 'Time that requests to the store took, in seconds',
        samples: all(({ labels, durations }) => durations.samples(DURATION, labels)),
      },
    ]
  }

  #typeOf(key: string): string {
    const [, root, name = ''] = key.split('/', 3)
    if (root !== 'registry' || name === '') return 'other'
    // Nodes have kept the name that they had in Kubernetes' first days.
    const type = name === 'minions' ? 'nodes' : name
    if (this.#types.has(type)) return type
    if (this.#types.size >= TYPES_MAX) return 'other'
    this.#types.add(type)
    return type
  }
}
